"""The networks: density of a frame's internal coordinates given beads and the frame before (needs torch)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from backmapbench.reference_models.ar_internal.settings import NetworkSettings, PerceptronSettings

SMALLEST_WIDTH, LARGEST_WIDTH = 0.02, 1.5  # rad; up to 1.5, images one turn either way make wrapping exact to 1e-8
TURN = 2 * math.pi


@dataclass(frozen=True)
class Sizes:
    """Lengths of the vectors that go in and out."""

    features: int
    numbers: int
    angles: int


class Transition(nn.Module):
    """p(angles, numbers | context) = prod_r mixture_r(angle_r | context) Normal(numbers | context, angles).

    The context is the beads' features now and before, and the coordinates before (zero, and flagged so, when there is
    no frame before). Free torsions have mixtures of wrapped normal densities, which unlike von Mises ones are sampled
    without rejection. The numbers have a Gaussian whose mean is a network's and whose full precision A^T A, A lower
    triangular, is one constant for frames with and one for frames without a frame before: potential energies are
    quadratic in correlated stretches and bends, so errors drawn independently would raise them. A precision that varied
    with the context generalised worse from 32,000 frames of alanine dipeptide (by 0.2 nats per frame).
    """

    def __init__(self, sizes: Sizes, settings: NetworkSettings) -> None:
        super().__init__()
        self.sizes, self.components, self.harmonics = sizes, settings.components, settings.harmonics
        turns = 2 * settings.harmonics * sizes.angles
        context = 2 * sizes.features + sizes.numbers + turns + 1
        self.mixture = _perceptron(context, 4 * settings.components * sizes.angles, settings.mixture)
        self.curved = _perceptron(context + turns, sizes.numbers, settings.mean)
        self.linear = nn.Linear(context + turns, sizes.numbers)
        self.lower = nn.Parameter(torch.zeros(2, sizes.numbers, sizes.numbers))
        self.log_diagonal = nn.Parameter(torch.zeros(2, sizes.numbers))

    def context(self, now: Tensor, before: Tensor, numbers: Tensor, angles: Tensor, known: Tensor) -> Tensor:
        """Input of both networks (frames, inputs) from features now and before, and numbers and angles before.

        ``known`` (frames, 1) is 1 where there is a frame before, else 0.
        """
        past = torch.cat([before, numbers, self._turns(angles)], dim=-1)
        return torch.cat([now, past * known, known], dim=-1)

    def mixtures(self, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Log weights, centres and widths (rad) of each free torsion's mixture: (frames, angles, components) each."""
        raw = self.mixture(context).reshape(len(context), self.sizes.angles, self.components, 4)
        # The offset keeps the gradient of atan2 finite at (0, 0).
        centre = torch.atan2(raw[..., 1], raw[..., 0] + 1e-6)
        width = SMALLEST_WIDTH + (LARGEST_WIDTH - SMALLEST_WIDTH) * torch.sigmoid(raw[..., 3])
        return torch.log_softmax(raw[..., 2], dim=-1), centre, width

    def mean(self, context: Tensor, angles: Tensor) -> Tensor:
        """Mean of the numbers (frames, numbers)."""
        joined = torch.cat([context, self._turns(angles)], dim=-1)
        mean: Tensor = self.linear(joined) + self.curved(joined)
        return mean

    def factors(self) -> Tensor:
        """A without and A with a frame before: (2, numbers, numbers), lower triangular with positive diagonals."""
        return torch.tril(self.lower, diagonal=-1) + torch.diag_embed(torch.exp(self.log_diagonal))

    def log_density(self, context: Tensor, numbers: Tensor, angles: Tensor) -> Tensor:
        """Log density (frames,) of a frame's numbers and angles."""
        weights, centres, widths = self.mixtures(context)
        offset = torch.remainder(angles[..., None] - centres + math.pi, TURN) - math.pi
        images = TURN * torch.arange(-1, 2, dtype=angles.dtype)
        scaled = (offset[..., None] + images) / widths[..., None]
        terms = (weights - torch.log(widths))[..., None] - 0.5 * scaled**2 - 0.5 * math.log(TURN)
        turning = torch.logsumexp(terms.flatten(-2), dim=-1).sum(-1)
        white = (numbers - self.mean(context, angles)) @ self.factors().mT
        normal = self.log_diagonal.sum(-1, keepdim=True) - 0.5 * (white**2).sum(-1)
        known = context[:, -1] > 0
        return turning + torch.where(known, normal[1], normal[0]) - 0.5 * self.sizes.numbers * math.log(TURN)

    def _turns(self, angles: Tensor) -> Tensor:
        multiples = [order * angles for order in range(1, self.harmonics + 1)]
        return torch.cat([wave(x) for x in multiples for wave in (torch.cos, torch.sin)], dim=-1)


def _perceptron(inputs: int, outputs: int, settings: PerceptronSettings) -> nn.Module:
    if outputs == 0:
        return _Nothing()  # a linear layer without outputs warns and has nothing to learn
    layers: list[nn.Module] = []
    for _ in range(settings.layers):
        layers += [nn.Linear(inputs, settings.width), nn.SiLU(), nn.Dropout(settings.dropout)]
        inputs = settings.width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


class _Nothing(nn.Module):
    def forward(self, context: Tensor) -> Tensor:
        return context[:, :0]
