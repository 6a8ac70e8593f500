"""Assignments that are not learned by gradient: runs of the sequence, and k-means over the trajectories."""

from __future__ import annotations

import mdtraj
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from backmapbench.coarse_graining.assignment import Assignment, check_beads, numbered
from backmapbench.coarse_graining.descent import fill_empty_beads
from backmapbench.coarse_graining.objective import Moment, second_moment
from backmapbench.errors import DataError

KMEANS_STARTS = 100  # cheap on so few points, and with 10 it often stops above the best


def contiguous(topology: mdtraj.Topology, particles: NDArray[np.integer], beads: int) -> Assignment:
    """Bead of each particle when the residues that hold ``particles`` (atom indices) are cut into runs.

    Runs are as equal as ``numpy.array_split`` makes them, the first ones longer; a residue is never split.

    Raises DataError when there are fewer such residues than beads.
    """
    residues = np.array([topology.atom(int(index)).residue.index for index in particles])
    present = np.unique(residues)
    if not 1 <= beads <= len(present):
        raise DataError(f"{beads} beads asked for of {len(present)} residues; give a number from 1 to that")
    bead_of = {residue: bead for bead, run in enumerate(np.array_split(present, beads)) for residue in run}
    return np.array([bead_of[residue] for residue in residues], dtype=np.intp)


def kmeans(positions: NDArray[np.floating], beads: int, seed: int) -> Assignment:
    """Bead of each particle by k-means, from ``positions`` (frames, particles, 3), nm; numbered by first particle.

    The best of 100 k-means++ starts by scikit-learn, on points whose squared distances are the mean squared distances
    between particles over all frames: k-means there is exactly the descent of the lift term of the objective.

    Raises DataError for frames or numbers of beads that cannot be clustered.
    """
    from sklearn.cluster import KMeans

    check_beads(positions, beads)
    with threadpool_limits(1):
        moment = second_moment(positions)
        points = _embedding(moment)
        found = KMeans(beads, n_init=KMEANS_STARTS, random_state=seed).fit_predict(points)
    return numbered(fill_empty_beads(moment, np.asarray(found, dtype=np.intp), beads))


def _embedding(moment: Moment) -> NDArray[np.float64]:
    """Points (particles, particles) with the inner products of ``moment`` (classical multidimensional scaling)."""
    values, vectors = np.linalg.eigh(moment)
    # An eigenvector's sign is arbitrary; fixing it keeps the points the same on every machine.
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(len(values))])
    return np.asarray(vectors * signs * np.sqrt(np.maximum(values, 0.0)), dtype=np.float64)
