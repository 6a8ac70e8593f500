"""Which stretches of data the bootstrap resamples: moving blocks inside trajectories, or whole trajectories.

The moving-block bootstrap (Kuensch, Ann. Stat. 17, 1217 (1989); circular as in Politis & Romano, 1992) draws runs of
consecutive frames that are long against the correlation time. Here a *piece* is the smallest stretch whose statistics
are kept, and a block is a run of ``OVERLAP`` consecutive pieces that starts at any piece of a trajectory and wraps
around at its end, so that every frame is drawn equally often on average. Statistics of pieces add, and a pair of frames
belongs to the piece that owns the later one, so no pair is lost or made up at a cut. No block joins two trajectories.

A trajectory too short to be cut into two blocks is one block as a whole, which assumes nothing about the correlation
inside it. Independent frames are resampled by the trajectory (start) that the dataset names.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

BLOCK_TIMES = 10.0
"""Block length in integrated autocorrelation times tau of the slowest observable.

A block of length L misses a share tau / L of the variance of a mean (exponential decay): 10 %, so 5 % of an interval's
width. Longer blocks miss less but are fewer, and the variance is then itself poorly known."""
OVERLAP = 2
"""Pieces in a block. The variance that k overlapping starts per block yield scatters by 2/3 + 1/(3 k^2) of what
separate blocks' does (Welch, Proc. Winter Simulation Conf. 1987, 309): 0.75 for 2, 0.69 for 4, 0.67 for a start at
every frame. Two gains most of it; more would only make records larger."""
MAXIMUM_BLOCKS = 64
"""Where the data hold more, blocks grow longer: the interval hardly changes, but records grow with every piece."""
MINIMUM_BLOCKS = 20
"""With fewer, spreads are rough: the board marks them."""


@dataclass(frozen=True)
class Segment:
    """Frames ``start`` to ``stop`` (exclusive) of a trajectory that begins at frame ``first``."""

    first: int
    start: int
    stop: int


@dataclass(frozen=True)
class Stretch:
    """Consecutive pieces that blocks may run over: ``count`` from ``offset`` on, ``run`` of them in a block."""

    offset: int
    count: int
    run: int


@dataclass(frozen=True)
class BlockPlan:
    """How one side's frames are cut.

    Attributes:
        pieces: each the segments whose statistics are summed (several where many short trajectories share a piece).
        stretches: runs of pieces, one per trajectory (or group of short ones).
    """

    pieces: tuple[tuple[Segment, ...], ...]
    stretches: tuple[Stretch, ...]

    @property
    def blocks(self) -> int:
        """Independent blocks: as many as fit side by side."""
        return sum(stretch.count // stretch.run for stretch in self.stretches)

    @classmethod
    def of(cls, lengths: tuple[int, ...], block_frames: float) -> Self:
        """Cut trajectories of ``lengths`` frames into blocks of at least ``block_frames`` frames.

        ``block_frames`` infinite keeps trajectories whole. More than 64 blocks are made fewer by longer blocks, or by
        letting trajectories that are one block each share one.
        """
        size = max(block_frames, sum(lengths) / MAXIMUM_BLOCKS)
        pieces: list[tuple[Segment, ...]] = []
        stretches: list[Stretch] = []
        shared: list[Segment] = []
        first = 0
        for length in lengths:
            blocks = int(min(length // size, length // OVERLAP)) if np.isfinite(block_frames) else 1
            if blocks < 2:
                shared.append(Segment(first, first, first + length))
            else:
                edges = first + np.linspace(0, length, OVERLAP * blocks + 1).round().astype(int)
                stretches.append(Stretch(len(pieces), OVERLAP * blocks, OVERLAP))
                pieces += [(Segment(first, int(a), int(b)),) for a, b in pairwise(edges)]
            first += length
        for group in np.array_split(np.arange(len(shared)), min(len(shared), MAXIMUM_BLOCKS)) if shared else ():
            stretches.append(Stretch(len(pieces), 1, 1))
            pieces.append(tuple(shared[index] for index in group))
        return cls(tuple(pieces), tuple(stretches))

    def draw(self, rng: np.random.Generator, replicates: int) -> NDArray[np.float64]:
        """How often each piece counts in each replicate, (replicates, pieces): ``blocks`` blocks with replacement."""
        blocks = [stretch.count // stretch.run for stretch in self.stretches]
        owner = np.repeat(np.arange(len(blocks)), blocks)
        chosen = owner[rng.integers(self.blocks, size=(replicates, self.blocks))]
        offset, count, run = (
            np.array([getattr(stretch, name) for stretch in self.stretches])[chosen]
            for name in ("offset", "count", "run")
        )
        start = rng.integers(count) if (count > 1).any() else np.zeros_like(count)
        weights = np.zeros((replicates, len(self.pieces)))
        rows = np.broadcast_to(np.arange(replicates)[:, None], chosen.shape)
        for step in range(OVERLAP):
            inside = step < run
            np.add.at(weights, (rows[inside], (offset + (start + step) % count)[inside]), 1.0)
        return weights
