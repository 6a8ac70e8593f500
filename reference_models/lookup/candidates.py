"""Which training frames may have the nearest beads: a k-d tree on distances between beads.

Distances need no superposition and bound it from below: with displacements d_i left after superposition,
sum_{i<j} (change of distance ij)^2 <= sum_{i<j} |d_i - d_j|^2 <= n^2 RMSD^2. They do not see handedness, and see motion
across the line of two beads only in second order, so the nearest in RMSD is looked for among many candidates.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

MAXIMUM_FEATURES = 200  # up to 20 beads all distances are used as they are
MAXIMUM_PAIRS = 2000  # beyond this, an evenly spaced subset of pairs
COMPONENTS = 24  # principal components kept when there are more distances than MAXIMUM_FEATURES


class CandidateSearch:
    """k-d tree over the bead distances of training frames.

    For many beads the tree would degrade to a scan of all frames: above MAXIMUM_FEATURES pairs the distances (at most
    MAXIMUM_PAIRS of them, evenly spaced in the list of pairs) are projected on their COMPONENTS leading principal
    components over the training frames. A projection never lengthens, so the lower bound on the RMSD stays.
    """

    def __init__(self, beads: NDArray[np.floating]) -> None:
        """Index training beads (frames, n, 3)."""
        first, second = np.triu_indices(beads.shape[1], k=1)
        if len(first) > MAXIMUM_PAIRS:
            kept = np.linspace(0, len(first) - 1, MAXIMUM_PAIRS).astype(np.intp)
            first, second = first[kept], second[kept]
        self._pairs = (first, second)
        self._mean: NDArray[np.float64] | None = None
        features = self._distances(beads)
        if features.shape[1] > MAXIMUM_FEATURES:
            self._mean = features.mean(axis=0)
            shifted = features - self._mean
            _, vectors = np.linalg.eigh(shifted.T @ shifted)
            self._axes = vectors[:, ::-1][:, :COMPONENTS]
            features = shifted @ self._axes
        self._tree = cKDTree(features)

    def nearest(self, beads: NDArray[np.floating], count: int) -> NDArray[np.intp]:
        """Indices (frames, candidates) of the ``count`` (or all, if fewer) training frames nearest in the features."""
        features = self._distances(beads)
        if self._mean is not None:
            features = (features - self._mean) @ self._axes
        count = min(count, self._tree.n)
        _, indices = self._tree.query(features, k=range(1, count + 1))
        # Ascending indices make the winner of an exact tie the earliest training frame, whatever the tree's order.
        return np.sort(np.asarray(indices, dtype=np.intp), axis=1)

    def _distances(self, beads: NDArray[np.floating]) -> NDArray[np.float64]:
        if not len(self._pairs[0]):
            return np.zeros((len(beads), 1))  # one bead: every frame fits it equally well
        first, second = self._pairs
        squares = np.zeros((len(beads), len(first)))
        for axis in range(3):
            column = np.asarray(beads[:, :, axis], dtype=np.float64)
            squares += (column[:, first] - column[:, second]) ** 2
        return np.sqrt(squares)
