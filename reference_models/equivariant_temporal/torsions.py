"""Freely turning torsions: side chains, ends of the chain, methyl groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from backmapbench.reference_models.ar_internal.tree import PlacementTree
from backmapbench.reference_models.equivariant_temporal import circle
from backmapbench.reference_models.equivariant_temporal.circle import Memory
from backmapbench.reference_models.equivariant_temporal.settings import Settings

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Torsions:
    """p(torsion | the torsion that it hangs on, itself in the frame before), one table each.

    Attributes:
        parents: for each torsion the one that turns its axis, or -1, (torsions,).
        tables: density by cell of the parent, (torsions, cells, cells); without a parent all rows are alike.
        memories: of each torsion: jumps and widths (torsions, 1).
        depths: torsions by number of parents above them.
    """

    parents: NDArray[np.intp]
    tables: Floats
    memories: Memory
    depths: tuple[NDArray[np.intp], ...]

    @classmethod
    def fit(
        cls, tree: PlacementTree, free: NDArray[np.intp], angles: Floats, now: NDArray[np.intp], settings: Settings
    ) -> Torsions:
        """From torsions ``angles`` (frames, torsions) of rows ``free`` of the tree; ``now``: frames with one before."""
        parents = _parents(tree, free)
        above = [angles[:, parent] if parent >= 0 else None for parent in parents]
        half = np.arange(len(angles)) < len(angles) // 2  # trajectories are whole but for the one in the middle
        tables = np.empty((len(free), settings.grid, settings.grid))
        for number, parent in enumerate(above):
            width = _width(angles[:, number], parent, half, settings)
            tables[number] = _table(angles[:, number], parent, width, settings)
        memories = []
        for number, parent in enumerate(parents):
            rows = circle.cell_of(angles[now, parent], settings.grid) if parent >= 0 else np.zeros(len(now), np.intp)
            weights = tables[number, rows]
            memories.append(circle.fit_memory(weights, angles[now, number], angles[now - 1, number]))
        depth = np.zeros(len(free), dtype=np.intp)
        for number, parent in enumerate(parents):
            depth[number] = depth[parent] + 1 if parent >= 0 else 0
        levels = tuple(np.flatnonzero(depth == level) for level in range(depth.max(initial=-1) + 1))
        return cls(parents, tables, circle.together(memories), levels)

    def draw(
        self,
        before: Floats | None,
        uniform: Floats,
        narrow: Floats | None = None,
        released: NDArray[np.bool_] | None = None,
    ) -> Floats:
        """Torsions (frames, draws, torsions), rad, by ``uniform`` of that shape; ``before`` (frames, torsions) or None.

        ``narrow`` (draws,): factors on the memory's width; ``released`` (frames, draws, torsions): drawn without it.
        """
        angles = np.empty_like(uniform)
        cells = self.tables.shape[-1]
        factor = np.ones((1, 1, 1)) if narrow is None else narrow[:, None, None]
        for numbers in self.depths:
            parents = self.parents[numbers]
            rows = np.zeros(uniform[..., numbers].shape, dtype=np.intp)
            rows[..., parents >= 0] = circle.cell_of(angles[..., parents[parents >= 0]], cells)
            weights = self.tables[numbers, rows]
            if before is not None:
                jump, width = self.memories.jump[numbers], self.memories.width[numbers]
                if released is not None:
                    jump = np.where(released[..., numbers, None], 1.0, jump)
                weights = circle.remembering(weights, before[:, None, numbers], Memory(jump, width * factor))
            _, angles[..., numbers] = circle.draw(weights, uniform[..., numbers])
        return angles


def _parents(tree: PlacementTree, free: NDArray[np.intp]) -> NDArray[np.intp]:
    """The last atom placed from the same three, whose place is taken; else what turns the axis; else -1."""
    turned: dict[int, int] = {}
    siblings: dict[tuple[int, ...], int] = {}
    parents: list[int] = []
    for number, row in enumerate(free):
        references = tuple(tree.references[row].tolist())
        parents.append(siblings.get(references, turned.get(references[0], -1)))
        turned[int(tree.atoms[row])] = siblings[references] = number
    return np.array(parents, dtype=np.intp)


def _width(angles: Floats, parent: Floats | None, half: NDArray[np.bool_], settings: Settings) -> float:
    """Smoothing, rad, under which each half of the trajectories makes the other most likely."""
    own = circle.cell_of(angles, settings.grid)
    rows = circle.cell_of(parent, settings.grid) if parent is not None else np.zeros_like(own)
    best = (-np.inf, 0.0)
    for degrees in settings.smoothing_degrees:
        score, width = 0.0, float(np.radians(degrees))
        for shown in (half, ~half):
            table = _table(angles[shown], parent[shown] if parent is not None else None, width, settings)
            score += float(np.log(table[rows[~shown], own[~shown]]).sum())
        best = max(best, (score, width))
    return best[1]


def _table(angles: Floats, parent: Floats | None, width: float, settings: Settings) -> Floats:
    cells = settings.grid
    sigma = width * cells / circle.TURN
    alone = np.bincount(circle.cell_of(angles, cells), minlength=cells).astype(np.float64)
    alone = gaussian_filter1d(alone / max(1, len(angles)), sigma, mode="wrap")
    if parent is None:
        table = np.broadcast_to(alone, (cells, cells))
    else:
        joint = np.zeros((cells, cells))
        np.add.at(joint, (circle.cell_of(parent, cells), circle.cell_of(angles, cells)), 1.0)
        joint = gaussian_filter1d(gaussian_filter1d(joint, sigma, axis=1, mode="wrap"), 2 * sigma, axis=0, mode="wrap")
        # One frame's worth of the density without parent, so that a parent never seen still has a child.
        table = (joint + alone) / (joint.sum(axis=1, keepdims=True) + 1.0)
    return np.asarray((1 - settings.floor) * table + settings.floor / cells)
