"""What a hard assignment of particles to beads costs: AutoGrain's objective with the best linear decoder.

Particles a (C-alphas or atoms) have positions x_a, centred on their mean in every frame. A hard assignment puts each in
one bead; a bead is the plain mean of its particles. The objective (Wang and Gomez-Bombarelli 2019; Wang et al. 2022) is

    objective = reconstruction + 0.25 lift,
    reconstruction = mean over frames, particles and components of (x_a - sum_I D_Ia X_I)^2,
    lift = mean over frames and particles of |x_a - X_bead(a)|^2,

where D is the decoder that makes the reconstruction least over these frames (least squares, the same for all frames and
components). No training enters, so assignments of any origin are compared on equal terms. Both terms are functions of
the second moment of the centred positions alone, hence blind to rotations, even to a different one of each frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backmapbench.errors import CardError, DataError

Moment = NDArray[np.float64]
Assignment = NDArray[np.intp]

LIFT_WEIGHT = 0.25
CHUNK_VALUES = 1 << 24  # coordinates taken to double precision at a time
NULL = 1e-10  # eigenvalues below this part of the largest are rounding: beads of centred frames are dependent


@dataclass(frozen=True)
class Objective:
    """Both terms of the objective, nm^2."""

    reconstruction_nm2: float
    lift_nm2: float
    lift_weight: float = LIFT_WEIGHT

    @property
    def total_nm2(self) -> float:
        """Reconstruction + weight x lift, nm^2."""
        return self.reconstruction_nm2 + self.lift_weight * self.lift_nm2


def second_moment(positions: NDArray[np.floating]) -> Moment:
    """Mean over frames and components of x_a x_b, (particles, particles), nm^2, of positions (frames, particles, 3), nm.

    Each frame is centred on the mean of its particles first, so every row sums to 0.

    Raises DataError for another shape, no frames, or positions that are not finite.
    """
    if np.ndim(positions) != 3 or np.shape(positions)[2] != 3 or not np.size(positions):
        raise DataError(f"positions have shape {np.shape(positions)}; expected (frames, particles, 3), none of them 0")
    frames, particles, _ = positions.shape
    total = np.zeros((particles, particles))
    step = max(1, CHUNK_VALUES // (3 * particles))
    for start in range(0, frames, step):
        chunk = np.asarray(positions[start : start + step], dtype=np.float64)
        flat = (chunk - chunk.mean(axis=1, keepdims=True)).transpose(0, 2, 1).reshape(-1, particles)
        total += flat.T @ flat
    if not np.isfinite(total).all():
        raise DataError("positions hold values that are not finite; leave out those frames")
    return np.asarray(total / (3 * frames), dtype=np.float64)


def objective(
    positions: NDArray[np.floating], assignment: ArrayLike, lift_weight: float = LIFT_WEIGHT
) -> Objective:
    """Objective of ``assignment`` (particles,), the bead 0 ... n-1 of each particle, on ``positions`` (frames, particles, 3), nm.

    Raises DataError (positions) or CardError (an assignment of another length, or with an empty bead).
    """
    return objective_of_moment(second_moment(positions), assignment, lift_weight)


def objective_of_moment(moment: Moment, assignment: ArrayLike, lift_weight: float = LIFT_WEIGHT) -> Objective:
    """The objective from the second moment (particles, particles), nm^2. Raises CardError as ``objective`` does."""
    labels = checked_assignment(assignment, len(moment))
    members = np.eye(labels.max() + 1)[labels]
    spread = float(np.trace(moment))
    inner = members.T @ moment @ members
    outer = members.T @ (moment @ moment) @ members
    explained = float(np.trace(pseudo_inverse(inner) @ outer))
    kept = float((np.diagonal(inner) / members.sum(axis=0)).sum())
    # Rounding may leave a perfect reconstruction a hair below 0.
    reconstruction = max(spread - explained, 0.0) / len(moment)
    return Objective(reconstruction, 3 * max(spread - kept, 0.0) / len(moment), lift_weight)


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


def pseudo_inverse(inner: NDArray[np.float64]) -> NDArray[np.float64]:
    """Moore-Penrose inverse of symmetric matrices (..., n, n), directions that are only rounding left out."""
    return np.asarray(np.linalg.pinv(inner, rcond=NULL, hermitian=True), dtype=np.float64)
