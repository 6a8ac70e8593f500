"""Pairs of atoms closer than a cutoff, in every frame of a chunk.

Small molecules compare all pairs of many frames at once; large ones search a k-d tree per frame, so that the cost does
not grow with the square of the atoms. Both give the same pairs, bit for bit. Pairs come in blocks of bounded size:
where a prediction puts hundreds of atoms on one point, a frame has 1e5 pairs, and all frames at once would not fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

DENSE_ATOMS = 64  # up to here all pairs of a block of frames are cheaper than one tree per frame
BLOCK_VALUES = 400_000  # pairs x frames compared at once: a few MB, so a block stays in the processor's cache
BLOCK_PAIRS = 100_000  # found pairs after which a block of searched frames ends (one frame may exceed it)
SLACK = 1 + 1e-9  # the tree may round a distance at the cutoff; pairs are filtered exactly afterwards


@dataclass(frozen=True, eq=False)
class ClosePairs:
    """Pairs (first < second) in some frames, in the order of frames; all arrays (pairs,).

    Attributes:
        frame: frame of the pair.
        first, second: atom indices.
        squared: squared distance, nm^2.
    """

    frame: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    squared: NDArray[np.float64]


def close_pairs(xyz: NDArray[np.floating], cutoff: float, dense_atoms: int = DENSE_ATOMS) -> ClosePairs:
    """All pairs of ``close_pair_blocks`` at once, ordered by frame, first, second."""
    blocks = [(b.frame, b.first, b.second, b.squared) for b in close_pair_blocks(xyz, cutoff, dense_atoms)]
    if not blocks:
        none = np.zeros(0, dtype=np.int64)
        return ClosePairs(none, none, none, np.zeros(0))
    frame, first, second, squared = (np.concatenate(column) for column in zip(*blocks, strict=True))
    order = np.lexsort((second, first, frame))
    return ClosePairs(frame[order], first[order], second[order], squared[order])


def close_pair_blocks(xyz: NDArray[np.floating], cutoff: float, dense_atoms: int = DENSE_ATOMS) -> Iterator[ClosePairs]:
    """Pairs of atoms strictly closer than ``cutoff`` nm in each frame of ``xyz`` (frames, atoms, 3), nm.

    A block holds all pairs of one or more consecutive frames, in no order within a frame. An atom whose coordinates are
    not finite is close to none. ``dense_atoms``: most atoms for which all pairs are compared.
    """
    frames, atoms = xyz.shape[:2]
    if atoms <= dense_atoms:
        step = max(1, BLOCK_VALUES // max(1, atoms * (atoms - 1) // 2))
        for start in range(0, frames, step):
            yield _dense(np.asarray(xyz[start : start + step], dtype=np.float64), cutoff, start)
    else:
        yield from _searched(xyz, cutoff)


def _dense(points: NDArray[np.float64], cutoff: float, offset: int) -> ClosePairs:
    """All pairs of a block of frames (frames, atoms, 3); ``offset`` is the number of its first frame."""
    frames, atoms = points.shape[:2]
    first, second = np.triu_indices(atoms, 1)
    squared = np.empty((len(first), frames))
    x, y, z = np.ascontiguousarray(points.transpose(2, 1, 0))
    start = 0
    with np.errstate(invalid="ignore"):  # infinity - infinity: NaN is not below the cutoff, as documented
        for atom in range(atoms - 1):
            rows = slice(start, start + atoms - 1 - atom)
            dx, dy, dz = x[atom + 1 :] - x[atom], y[atom + 1 :] - y[atom], z[atom + 1 :] - z[atom]
            squared[rows] = dx * dx + dy * dy + dz * dz
            start = rows.stop
        frame, pair = np.nonzero(np.ascontiguousarray((squared < cutoff**2).T))
    return ClosePairs(frame + offset, first[pair], second[pair], squared[pair, frame])


def _searched(xyz: NDArray[np.floating], cutoff: float) -> Iterator[ClosePairs]:
    """Pairs from one k-d tree per frame."""
    found: list[NDArray[np.int64]] = []
    start = total = 0
    finite = np.isfinite(xyz).all(axis=2)
    for number, (frame, places) in enumerate(zip(xyz, finite, strict=True)):
        pairs = _tree_pairs(np.asarray(frame, dtype=np.float64), places, cutoff)
        found.append(pairs)
        total += len(pairs)
        if total >= BLOCK_PAIRS or number == len(xyz) - 1:
            yield _measured(xyz, found, start, cutoff)
            found, start, total = [], number + 1, 0


def _tree_pairs(points: NDArray[np.float64], finite: NDArray[np.bool_], cutoff: float) -> NDArray[np.int64]:
    """Pairs (pairs, 2) of the ``finite`` atoms of a frame (atoms, 3), first < second, a hair beyond the cutoff too."""
    kept = None if finite.all() else np.flatnonzero(finite)
    tree = cKDTree(points if kept is None else points[kept])
    pairs: NDArray[np.int64] = tree.query_pairs(cutoff * SLACK, output_type="ndarray").astype(np.int64, copy=False)
    return pairs if kept is None else kept[pairs]


def _measured(xyz: NDArray[np.floating], found: list[NDArray[np.int64]], start: int, cutoff: float) -> ClosePairs:
    """The pairs strictly closer than ``cutoff`` among those ``found`` in the frames from ``start`` on."""
    frame = np.repeat(np.arange(start, start + len(found)), [len(pairs) for pairs in found])
    first, second = np.concatenate(found).T
    squared = squared_distances(xyz, frame, first, second)
    near = squared < cutoff**2
    if near.all():
        return ClosePairs(frame, first, second, squared)
    return ClosePairs(frame[near], first[near], second[near], squared[near])


def squared_distances(
    xyz: NDArray[np.floating], frame: NDArray[np.int64], first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Squared distance of each pair (pairs,), nm^2, in float64 whatever the precision of ``xyz`` (frames, atoms, 3)."""
    flat = xyz.reshape(-1, 3)
    base = frame * xyz.shape[1]
    with np.errstate(invalid="ignore", over="ignore"):  # places that are not finite are close to none
        dx, dy, dz = (flat[base + second].astype(np.float64) - flat[base + first]).T
        squared: NDArray[np.float64] = dx * dx + dy * dy + dz * dz
    return squared
