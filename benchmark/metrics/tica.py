"""Time-lagged independent components of CA-CA distances, fitted once on a task's reference (Shmilovich 2022).

Perez-Hernandez et al., J. Chem. Phys. 139, 015102 (2013); scaled to a kinetic map (Noe & Clementi, J. Chem. Theory
Comput. 11, 5002 (2015)), which is deeptime's default and that of the published analysis.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import CardError, DataError
from backmapbench.metrics.features import digest, distances
from backmapbench.metrics.frames import Frames
from backmapbench.metrics.time_series import lagged


@dataclass(frozen=True, eq=False)
class TicaFeatures:
    """Slow linear combinations of distances: ``distances @ matrix + offset``.

    Attributes:
        pairs: int (distances, 2), atom indices.
        matrix: float64 (distances, components), 1 / nm.
        offset: float64 (components,).
    """

    pairs: NDArray[np.intp]
    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]

    @property
    def key(self) -> Hashable:
        """Pairs and projection."""
        return "tica", digest(self.pairs.tobytes(), self.matrix.tobytes(), self.offset.tobytes())

    def series(self, frames: Frames) -> NDArray[np.float64]:
        """(lead + frames, components); NaN in frames with a coordinate that is not finite."""
        return frames.cached(self.key, lambda: self._project(frames.xyz[0]))

    def _project(self, xyz: NDArray[np.float32]) -> NDArray[np.float64]:
        # einsum without BLAS: a product's last bits must not depend on how many frames a chunk has.
        found: NDArray[np.float64] = np.einsum("fd,dc->fc", distances(xyz, self.pairs), self.matrix) + self.offset
        return found


def all_pairs(atoms: NDArray[np.intp]) -> NDArray[np.intp]:
    """Every pair of ``atoms``, (n (n - 1) / 2, 2): 45 of chignolin's ten CA atoms."""
    return np.array(list(combinations(atoms.tolist(), 2)), dtype=np.intp)


def fit_tica(reference: Trajectories, pairs: NDArray[np.intp], dimensions: int, lag_frames: int) -> TicaFeatures:
    """TICA of the distances ``pairs`` over ``reference``, pairs of frames within trajectories only.

    The sign of a component, which TICA leaves open, is such that its largest coefficient is positive.

    Raises DataError when no trajectory is longer than the lag, CardError when there are fewer distances (or fewer that
    vary) than dimensions.
    """
    # Both imported here: they take a second, and listing metrics must not.
    from deeptime.decomposition import TICA
    from threadpoolctl import threadpool_limits

    if len(pairs) < dimensions:
        raise CardError(f"{len(pairs)} CA-CA distances cannot give tica_dimensions = {dimensions}; lower it")
    if max(reference.lengths) <= lag_frames:
        raise DataError(
            f"no reference trajectory is longer than the TICA lag, {lag_frames} frames; lower kinetics.tica_lag_frames"
        )
    covariances = TICA.covariance_estimator(lag_frames)
    with threadpool_limits(1):  # sums over threads depend on how many there are
        for part in reference:
            earlier, later = lagged(distances(part, pairs), 0, lag_frames)
            defined = np.isfinite(earlier).all(axis=1) & np.isfinite(later).all(axis=1)
            if defined.any():
                covariances.partial_fit((earlier[defined], later[defined]))
        model = TICA(dim=dimensions).fit_from_covariances(covariances).fetch_model()
        offset = np.asarray(model.transform(np.zeros((1, len(pairs)))), dtype=np.float64)[0]
        matrix = np.asarray(model.transform(np.eye(len(pairs))), dtype=np.float64) - offset
    if matrix.shape[1] < dimensions:
        raise CardError(f"the distances have {matrix.shape[1]} components that vary; lower tica_dimensions")
    signs = np.sign(matrix[np.abs(matrix).argmax(axis=0), np.arange(dimensions)])
    return TicaFeatures(pairs, matrix * signs, offset * signs)
