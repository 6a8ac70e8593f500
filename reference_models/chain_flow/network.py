"""The velocity of the flow: scalars and vectors of every residue, mixed along the chain and by attention.

Vectors are only added, scaled by invariant numbers and crossed with each other, so the whole turns with its input. A
reflection is no symmetry, because cross products of vectors are used as vectors: proteins are chiral.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from backmapbench.reference_models.chain_flow.scene import (
    INPUTS,
    OFFSET,
    STATIC,
    STEPS,
    UNIT_NM,
    Context,
    Scene,
    inputs_of,
    shifted,
)
from backmapbench.reference_models.chain_flow.settings import NetworkSettings
from backmapbench.reference_models.internal_coordinates.residues import NO_RESIDUE

SHELLS = 12  # radial functions of a distance
LARGEST_NM = 1.4  # the last one's centre
WAVES = 4  # of the time


class Velocity(nn.Module):
    """Velocity of every C-alpha at a time between the prior (0) and the data (1)."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        s, v = settings.scalars, settings.vectors
        self.settings = settings
        self.embedding = nn.Embedding(NO_RESIDUE + 1, s)
        given = STATIC + 2 * WAVES + 1 + INPUTS * (INPUTS + 1) // 2
        self.enter = nn.Sequential(nn.Linear(given, s), nn.SiLU(), nn.Linear(s, s))
        self.widen = nn.Linear(s, INPUTS * v)
        self.offsets = nn.Embedding(2 * OFFSET + 2, settings.layers * settings.heads)
        self.shells = nn.Linear(SHELLS + 1, settings.layers * settings.heads, bias=False)
        self.layers = nn.ModuleList([Layer(settings) for _ in range(settings.layers)])
        leave = nn.Linear(s, INPUTS + v)
        nn.init.zeros_(leave.weight)
        nn.init.zeros_(leave.bias)
        self.leave = nn.Sequential(nn.LayerNorm(s), nn.Linear(s, s), nn.SiLU(), leave)
        self.last = nn.Linear(v, v, bias=False)

    def forward(self, scene: Scene, context: Context, at: Tensor, time: Tensor) -> Tensor:
        """Velocities (frames, residues, 3), nm per unit of time, at places ``at`` (likewise) and ``time`` (frames,)."""
        inputs = inputs_of(scene, context, at) / UNIT_NM  # (frames, residues, INPUTS, 3)
        rows, columns = torch.triu_indices(INPUTS, INPUTS)
        dots = (inputs @ inputs.mT)[..., rows, columns]
        dots = dots.sign() * dots.abs().log1p()
        angles = time[:, None] * math.pi * torch.arange(1, WAVES + 1)
        waves = torch.cat([time[:, None], angles.sin(), angles.cos()], dim=-1)
        waves = waves[:, None].expand(-1, at.shape[1], -1)
        scalars = self.embedding(scene.types) + self.enter(torch.cat([context.static, waves, dots], dim=-1))
        mixing = self.widen(scalars).view(*scalars.shape[:2], self.settings.vectors, INPUTS)
        vectors = mixing @ inputs / INPUTS
        bias = self._bias(context, at)
        for number, layer in enumerate(self.layers):
            scalars, vectors = layer(scalars, vectors, bias[number], at / UNIT_NM, context.near)
        weights = self.leave(scalars)
        out = (weights[..., None, :INPUTS] @ inputs)[..., 0, :]
        normed = _normalised(_mixed(self.last, vectors))
        velocity: Tensor = UNIT_NM * (out + (weights[..., None, INPUTS:] @ normed)[..., 0, :])
        return velocity

    def _bias(self, context: Context, at: Tensor) -> Tensor:
        """What attention adds to its logits, (layers, frames, heads, residues, residues)."""
        gaps = torch.cdist(at, at, compute_mode="donot_use_mm_for_euclid_dist")
        centres = torch.linspace(0.3, LARGEST_NM, SHELLS)
        width = (LARGEST_NM - 0.3) / (SHELLS - 1)
        shells = (-0.5 * ((gaps[..., None] - centres) / width).square()).exp()
        told = torch.cat([shells, context.mates[..., None]], dim=-1)
        bias = self.shells(told) + self.offsets(context.pair)
        bias = bias.view(*bias.shape[:3], self.settings.layers, self.settings.heads)
        masked: Tensor = bias.permute(3, 0, 4, 1, 2) + context.seen[:, None]
        return masked


class Layer(nn.Module):
    """Attention over all residues, then a step along the chain, then each residue by itself; all added."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        s, v, self.heads = settings.scalars, settings.vectors, settings.heads
        self.first, self.second = nn.LayerNorm(s), nn.LayerNorm(s)
        self.query = nn.Linear(s, 3 * s)
        self.values = nn.Linear(v, v, bias=False)
        self.gathered = nn.Linear(s, s)
        self.turned = nn.Linear(2 * v + self.heads, v, bias=False)
        self.along = nn.Linear(3 * v, v, bias=False)
        self.chain = nn.Linear(3 * s, s)
        self.pair = nn.Linear(v, 4 * v, bias=False)
        self.inner = nn.Sequential(nn.Linear(s + 3 * v, 2 * s), nn.SiLU(), nn.Linear(2 * s, s + 3 * v))
        self.sizes = (s, v)

    def forward(
        self, scalars: Tensor, vectors: Tensor, bias: Tensor, at: Tensor, near: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Of scalars (frames, residues, s) and vectors (frames, residues, v, 3)."""
        s, v = self.sizes
        told, turned = self.first(scalars), _normalised(vectors)
        gathered, seen = self._attention(told, turned, bias, at)
        before, after = near[..., STEPS.index(-1), :], near[..., STEPS.index(1), :]
        rows = torch.cat([shifted(told, -1) * before, told, shifted(told, 1) * after], dim=-1)
        scalars = scalars + self.gathered(gathered) + self.chain(rows)
        beside = [shifted(turned, -1) * before[..., None], shifted(turned, 1) * after[..., None]]
        vectors = vectors + _mixed(self.turned, torch.cat([turned, seen], dim=-2))
        vectors = vectors + _mixed(self.along, torch.cat([*beside, turned], dim=-2))
        told, turned = self.second(scalars), _normalised(vectors)
        one, two, three, four = torch.split(_mixed(self.pair, turned), v, dim=-2)
        crossed = torch.linalg.cross(one, two)
        products = [(one * two).sum(-1), (crossed * three).sum(-1), four.square().sum(-1)]
        found, gates = torch.split(self.inner(torch.cat([told, *products], dim=-1)), [s, 3 * v], dim=-1)
        first, second, third = torch.split(gates[..., None], v, dim=-2)
        return scalars + found, vectors + first * three + second * crossed + third * four

    def _attention(self, told: Tensor, turned: Tensor, bias: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
        """What is gathered: scalars (frames, residues, s) and vectors (frames, residues, v + heads, 3)."""
        frames, residues, s = told.shape
        query, key, value = self.query(told).view(frames, residues, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        weights = (query @ key.mT / math.sqrt(s / self.heads) + bias).softmax(-1)
        moved = _mixed(self.values, turned).view(frames, residues, self.heads, -1).transpose(1, 2)
        # Vectors and positions ride along with the scalars: one product.
        places = at[:, None].expand(-1, self.heads, -1, -1)
        summed = weights @ torch.cat([value, moved, places], dim=-1)
        scalars, vectors, towards = torch.split(summed, [value.shape[-1], moved.shape[-1], 3], dim=-1)
        apart = (towards - places).transpose(1, 2)
        vectors = vectors.transpose(1, 2).reshape(frames, residues, -1, 3)
        return scalars.transpose(1, 2).flatten(2), torch.cat([vectors, apart], dim=-2)


def _mixed(linear: nn.Linear, vectors: Tensor) -> Tensor:
    """Linear combinations of vectors (..., channels, 3)."""
    return linear.weight @ vectors


def _normalised(vectors: Tensor) -> Tensor:
    """Vectors (..., channels, 3) divided by their root mean square length."""
    square = vectors.square().sum(-1, keepdim=True).mean(-2, keepdim=True)
    return vectors * (square + 1e-4).rsqrt()
