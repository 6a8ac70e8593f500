"""The trained flow for the beads of one molecule: from the Gaussian chain to C-alpha traces."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Generator, Tensor

from backmapbench.reference_models.chain_flow.beads import Beads
from backmapbench.reference_models.chain_flow.network import Velocity
from backmapbench.reference_models.chain_flow.scene import Context, Scene
from backmapbench.reference_models.chain_flow.settings import SamplingSettings
from backmapbench.reference_models.internal_coordinates.layout import Chainwise

CHUNK = 128  # chains that the network sees at once

Noise = tuple[Tensor, Tensor]
"""Of the chain (frames, residues, 3) and of the beads (frames, beads, 3)."""


class Flow:
    """Draws traces (frames, residues, 3), nm, double, given beads (frames, beads, 3), nm, double."""

    def __init__(self, network: Velocity, chains: Chainwise, beads: Beads, settings: SamplingSettings) -> None:
        self.network, self.settings = network.float().eval(), settings
        self._chains, self._beads = chains, beads

    def noise(self, given: Tensor, generator: Generator) -> Noise:
        """Normal numbers for each row of beads, times the temperature."""
        shape = (len(given), self._chains.types.shape[1], 3)
        of_chain = torch.randn(shape, generator=generator, dtype=torch.float64)
        of_beads = torch.randn(given.shape, generator=generator, dtype=torch.float64)
        return self.settings.temperature * of_chain, self.settings.temperature * of_beads

    def start(self, given: Tensor, noise: Noise) -> Tensor:
        """Gaussian chains."""
        return self._beads.given.draw(given, *noise)

    @torch.no_grad()
    def end(self, given: Tensor, start: Tensor) -> Tensor:
        """Where the flow takes Gaussian chains, by Euler steps that grow shorter towards the end."""
        times = 1 - torch.linspace(1, 0, self.settings.steps + 1) ** self.settings.bunching
        return torch.cat([self._carried(given[part], start[part], times) for part in _parts(len(given))])

    @torch.no_grad()
    def mean(self, given: Tensor, start: Tensor) -> Tensor:
        """An estimate of the mean of the data by one step.

        At time 0 the place says nothing of the data beyond the beads, so its velocity leads to their mean.
        """
        times = torch.tensor([0.0, 1.0])
        return torch.cat([self._carried(given[part], start[part], times) for part in _parts(len(given))])

    def _carried(self, given: Tensor, start: Tensor, times: Tensor) -> Tensor:
        scene = self._scene(given)
        context = Context.of(scene)
        at = start.float()
        for now, then in pairwise(times):
            at = at + (then - now) * self.network(scene, context, at, now.expand(len(given)))
        return at.double()

    def _scene(self, given: Tensor) -> Scene:
        frames, chains, beads = len(given), self._chains, self._beads
        return Scene(
            chains.types.expand(frames, -1),
            chains.chain.expand(frames, -1),
            beads.operator.expand(frames, -1, -1),
            beads.share.expand(frames, -1, -1),
            beads.given.spread.expand(frames, -1),
            given,
            beads.given.mean(given),
        ).float()


def _parts(count: int) -> list[slice]:
    return [slice(first, first + CHUNK) for first in range(0, count, CHUNK)]
