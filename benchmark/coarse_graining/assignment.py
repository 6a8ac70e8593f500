"""Hard assignments: the bead 0 ... n-1 of each particle, no bead empty."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backmapbench.errors import CardError, DataError

Assignment = NDArray[np.intp]


def checked_assignment(assignment: ArrayLike, particles: int) -> Assignment:
    """``assignment`` as an array (particles,). Raises CardError for another length, labels below 0 or an empty bead."""
    labels = np.asarray(assignment, dtype=np.intp)
    if labels.shape != (particles,):
        raise CardError(f"assignment has shape {labels.shape}, there are {particles} particles; give one bead to each")
    if labels.min() < 0:
        raise CardError(f"assignment has bead {labels.min()}; number beads from 0")
    missing = np.flatnonzero(np.bincount(labels) == 0)
    if len(missing):
        raise CardError(f"bead {missing[0]} of the assignment is empty; number beads from 0 without gaps")
    return labels


def numbered(assignment: NDArray[np.integer]) -> Assignment:
    """The same beads numbered 0, 1, ... by their first particle, without gaps."""
    _, first, inverse = np.unique(assignment, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.intp)
    rank[np.argsort(first)] = np.arange(len(first))
    return np.asarray(rank[inverse], dtype=np.intp)


def check_beads(positions: NDArray[np.floating], beads: int) -> None:
    """Raise DataError unless there are frames (frames, particles, 3), and from 1 to as many beads as particles."""
    if np.ndim(positions) != 3 or not np.size(positions):
        raise DataError(f"positions have shape {np.shape(positions)}; expected (frames, particles, 3), none of them 0")
    if not 1 <= beads <= positions.shape[1]:
        raise DataError(f"{beads} beads asked for of {positions.shape[1]} particles; give a number from 1 to that")
