"""Beads drawn at random for training: how many, where they are cut, whether they hold several runs."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from backmapbench.reference_models.chain_flow.settings import BeadSettings

MOST_RUNS = 4  # of a scattered bead on average


def draw_partition(residues: int, settings: BeadSettings, generator: Generator) -> Tensor:
    """Bead of each residue, (residues,): the logarithm of the number of beads is uniform."""

    def uniform() -> float:
        return float(torch.rand((), generator=generator))

    most = max(settings.fewest, int(residues / settings.residues))
    number = round(math.exp(math.log(settings.fewest) + uniform() * math.log(most / settings.fewest)))
    if uniform() < settings.scattered:
        runs = min(residues, number * int(torch.randint(2, MOST_RUNS + 1, (), generator=generator)))
        run = _runs(residues, runs, uniform() < settings.equal, generator)
        # Every bead gets a run, and the rest are dealt at random.
        dealt = torch.cat([torch.arange(number), torch.randint(number, (runs - number,), generator=generator)])
        return dealt[torch.randperm(runs, generator=generator)][run]
    return _runs(residues, number, uniform() < settings.equal, generator)


def _runs(residues: int, number: int, equal: bool, generator: Generator) -> Tensor:
    """Number of the run of each residue: as equal as can be, the first ones longer, or cut anywhere."""
    if equal:
        lengths = torch.full((number,), residues // number)
        lengths[: residues % number] += 1
        return torch.arange(number).repeat_interleave(lengths)
    cuts = torch.randperm(residues - 1, generator=generator)[: number - 1] + 1
    starts = torch.zeros(residues, dtype=torch.int64)
    starts[cuts] = 1
    return starts.cumsum(0)
