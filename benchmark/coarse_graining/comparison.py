"""The same frames put into beads by every method: which objective each reaches, seed by seed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import mdtraj
import numpy as np
from numpy.typing import NDArray

from backmapbench.coarse_graining.learning import LearnedBeads, Method, learn
from backmapbench.coarse_graining.particles import Particles
from backmapbench.coarse_graining.settings import ANNEALED, LEGACY, AutoGrainSettings

WAYS: dict[str, tuple[Method, AutoGrainSettings]] = {
    "autograin": ("autograin", ANNEALED),
    "autograin-undescended": ("autograin", replace(ANNEALED, descent=False)),
    "autograin-legacy": ("autograin", LEGACY),
    "contiguous": ("contiguous", ANNEALED),
    "kmeans": ("kmeans", ANNEALED),
}
"""Ways to find beads by the name they have in tables; ``undescended`` shows what training alone reaches."""


@dataclass(frozen=True)
class Compared:
    """Beads that one way found from one seed.

    Attributes:
        way: name in ``WAYS``.
        wall_seconds: time it took.
        learned: the beads with their objective.
    """

    way: str
    wall_seconds: float
    learned: LearnedBeads


def compare(
    topology: mdtraj.Topology,
    positions: NDArray[np.floating],
    beads: int,
    seeds: Sequence[int],
    *,
    particles: Particles = "ca",
) -> Iterator[Compared]:
    """Beads by every way in ``WAYS`` from every seed, one after the other; contiguous beads, which need none, once.

    Positions are (frames, atoms, 3), nm. All objectives are those of all these frames. Raises as ``learn``.
    """
    for way, (method, settings) in WAYS.items():
        for seed in seeds[:1] if method == "contiguous" else seeds:
            started = time.perf_counter()
            learned = learn(
                topology, positions, beads, particles=particles, method=method, seed=seed, settings=settings
            )
            yield Compared(way, time.perf_counter() - started, learned)
