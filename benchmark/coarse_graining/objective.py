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

from backmapbench.coarse_graining.assignment import checked_assignment
from backmapbench.errors import DataError

Moment = NDArray[np.float64]

LIFT_WEIGHT = 0.25
CHUNK_VALUES = 1 << 24  # coordinates taken to double precision at a time
NULL = 1e-10  # of the spread: bead motions with less are rounding


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
    """Mean over frames and components of x_a x_b, (particles, particles), nm^2.

    Positions are (frames, particles, 3), nm. Each frame is centred on the mean of its particles first, so every row
    sums to 0.

    Raises DataError for another shape, no frames, or positions that are not finite.
    """
    if np.ndim(positions) != 3 or np.shape(positions)[2] != 3 or not np.size(positions):
        raise DataError(f"positions have shape {np.shape(positions)}; expected (frames, particles, 3), none of them 0")
    frames, particles, _ = positions.shape
    total = np.zeros((particles, particles))
    step = max(1, CHUNK_VALUES // (3 * particles))
    for start in range(0, frames, step):
        chunk = np.asarray(positions[start : start + step], dtype=np.float64)
        if not np.isfinite(chunk).all():
            raise DataError("positions hold values that are not finite; leave out those frames")
        flat = (chunk - chunk.mean(axis=1, keepdims=True)).transpose(0, 2, 1).reshape(-1, particles)
        total += flat.T @ flat
    return np.asarray(total / (3 * frames), dtype=np.float64)


def objective(positions: NDArray[np.floating], assignment: ArrayLike, lift_weight: float = LIFT_WEIGHT) -> Objective:
    """Objective of ``assignment``, the bead 0 ... n-1 of each particle, on ``positions`` (frames, particles, 3), nm.

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
    explained = _explained(inner, outer, spread)
    kept = float((np.diagonal(inner) / members.sum(axis=0)).sum())
    # Rounding may leave a perfect reconstruction a hair below 0.
    reconstruction = max(spread - explained, 0.0) / len(moment)
    return Objective(reconstruction, 3 * max(spread - kept, 0.0) / len(moment), lift_weight)


def _explained(inner: Moment, outer: Moment, spread: float) -> float:
    """tr(C^+ E) of C = ``inner`` and E = ``outer``, directions in which beads move by rounding alone left out.

    There always is one, as bead sums of centred frames add up to 0. What is rounding is judged by the spread and not by
    C, which is nothing else where all particles share one bead.
    """
    values, vectors = np.linalg.eigh(inner)
    real = values > NULL * spread
    along = ((outer @ vectors[:, real]) * vectors[:, real]).sum(axis=0)
    return float((along / values[real]).sum())
