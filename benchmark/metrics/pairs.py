"""Pairs of atoms closer than a cutoff, in every frame of a chunk.

Small molecules compare all pairs of many frames at once; large ones search a k-d tree per frame, so that the cost does
not grow with the square of the atoms. Both give the same pairs, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

DENSE_ATOMS = 64  # up to here all pairs of a block of frames are cheaper than one tree per frame
BLOCK_VALUES = 400_000  # pairs x frames compared at once: a few MB, so a block stays in the processor's cache
SLACK = 1 + 1e-9  # the tree may round a distance at the cutoff; pairs are filtered exactly afterwards


@dataclass(frozen=True, eq=False)
class ClosePairs:
    """Pairs (first < second) ordered by frame, first, second; all arrays (pairs,).

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
    """Pairs of atoms strictly closer than ``cutoff`` nm in each frame of ``xyz`` (frames, atoms, 3), nm.

    An atom whose coordinates are not finite is close to none. ``dense_atoms``: most atoms for which all pairs are
    compared.
    """
    points = np.asarray(xyz, dtype=np.float64)
    frames, atoms = points.shape[:2]
    if atoms <= dense_atoms:
        step = max(1, BLOCK_VALUES // max(1, atoms * (atoms - 1) // 2))
        found = [_dense(points[start : start + step], cutoff, start) for start in range(0, frames, step)]
    else:
        found = [_searched(points[frame], cutoff, frame) for frame in range(frames)]
    if not found:
        none = np.zeros(0, dtype=np.int64)
        return ClosePairs(none, none, none, np.zeros(0))
    frame, first, second, squared = (np.concatenate(column) for column in zip(*found, strict=True))
    return ClosePairs(frame, first, second, squared)


_Columns = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]


def _dense(points: NDArray[np.float64], cutoff: float, offset: int) -> _Columns:
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
    return frame + offset, first[pair], second[pair], squared[pair, frame]


def _searched(points: NDArray[np.float64], cutoff: float, frame: int) -> _Columns:
    """Pairs of one frame (atoms, 3) from a k-d tree."""
    kept = np.flatnonzero(np.isfinite(points).all(axis=1))
    found = kept[cKDTree(points[kept]).query_pairs(cutoff * SLACK, output_type="ndarray")].astype(np.int64)
    found = found[np.argsort(found[:, 0] * len(points) + found[:, 1])]
    first, second = found[:, 0], found[:, 1]
    dx, dy, dz = (points[second] - points[first]).T
    squared = dx * dx + dy * dy + dz * dz
    near = squared < cutoff**2
    return np.full(int(near.sum()), frame, dtype=np.int64), first[near], second[near], squared[near]
