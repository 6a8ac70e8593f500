"""What the network is told about the beads: numbers that no rotation or translation changes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import minimum_spanning_tree

SMALLEST_DEVIATION = 1e-6  # a distance that never changes in training tells nothing; avoid dividing by its deviation


class BeadFeatures:
    """Standardised distances and torsions of beads.

    Distances between beads fix their shape up to a mirror image; cosines and sines of torsions along the spanning tree
    of nearest beads add handedness, and are smoother functions of a backbone's state than the distances are.
    """

    def __init__(self, beads: NDArray[np.floating], maximum_distances: int) -> None:
        """Choose and standardise features on training beads (frames, n, 3), nm.

        At most ``maximum_distances`` are used: those of the pairs that are nearest on average.
        """
        first, second = np.triu_indices(beads.shape[1], k=1)
        # One pair at a time: all distances of all frames at once would not fit in memory for many beads.
        mean = np.array([_distances(beads, i, j).mean() for i, j in zip(first[:, None], second[:, None], strict=True)])
        nearest = np.sort(np.argsort(mean, kind="stable")[:maximum_distances])
        self._first, self._second = first[nearest], second[nearest]
        matrix = np.zeros((beads.shape[1],) * 2)
        matrix[first, second] = mean
        self._quads = spanning_torsions(minimum_spanning_tree(matrix).toarray() > 0)
        raw = self._raw(beads)
        self._mean = raw.mean(axis=0)
        self._deviation = np.maximum(raw.std(axis=0), SMALLEST_DEVIATION)

    @property
    def size(self) -> int:
        """Number of features."""
        return len(self._mean)

    def __call__(self, beads: NDArray[np.floating]) -> NDArray[np.float32]:
        """Features (frames, size) of beads (frames, n, 3), nm."""
        return np.asarray((self._raw(beads) - self._mean) / self._deviation, dtype=np.float32)

    def _raw(self, beads: NDArray[np.floating]) -> NDArray[np.float64]:
        beads = np.asarray(beads, dtype=np.float64)
        distances = _distances(beads, self._first, self._second)
        angles = _torsions(beads, self._quads)
        return np.concatenate([distances, np.cos(angles), np.sin(angles)], axis=1)


def spanning_torsions(edges: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Quadruples (torsions, 4) of beads: every path of four in the tree, and at branches one improper per neighbour."""
    joined = edges | edges.T
    paths = [
        (first, second, third, last)
        for second, third in zip(*np.nonzero(np.triu(joined)), strict=True)
        for first in np.flatnonzero(joined[second])
        for last in np.flatnonzero(joined[third])
        if first != third and last != second
    ]
    branches = [
        (around[index], centre, around[index + 1], around[index + 2])
        for centre, around in enumerate(map(np.flatnonzero, joined))
        for index in range(len(around) - 2)
    ]
    return np.array(paths + branches, dtype=np.intp).reshape(-1, 4)


def _distances(beads: NDArray[np.floating], first: NDArray[np.intp], second: NDArray[np.intp]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(beads[:, first] - beads[:, second], axis=-1), dtype=np.float64)


def _torsions(points: NDArray[np.floating], quads: NDArray[np.intp]) -> NDArray[np.float64]:
    # Unlike a metric's, these are 0 (arctan2 of 0, 0) where beads lie on a line: a network's input has to be a number.
    a, b, c, d = (points[:, quads[:, column]] for column in range(4))
    axis = c - b
    left, right = np.cross(b - a, axis), np.cross(axis, d - c)
    sine = ((b - a) * right).sum(-1) * np.linalg.norm(axis, axis=-1)
    return np.asarray(np.arctan2(sine, (left * right).sum(-1)), dtype=np.float64)
