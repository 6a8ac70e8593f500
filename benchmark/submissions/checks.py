"""Refusing output that cannot be scored, with the likely cause."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backmapbench.errors import SubmissionError
from backmapbench.submissions.protocol import System

UNIT_SLACK = 1.5  # a factor-ten slip lies between 10 / 1.5 and 10 * 1.5; no real distortion does in both tests at once


def check_prediction(
    name: str, prediction: object, system: System, frames: int, samples: int, typical: NDArray[np.floating]
) -> NDArray[np.float32]:
    """``prediction`` as float32 (samples, frames, atoms, 3), nm, if it can be scored.

    ``typical``: training frames (k, atoms, 3), nm, to tell a unit slip by bond lengths and extent.

    Raises SubmissionError for another type, shape or atom count, values that are not finite, or Angstrom given as nm
    (or nm as Angstrom).
    """
    if not isinstance(prediction, np.ndarray) or not np.issubdtype(prediction.dtype, np.floating):
        kind = type(prediction).__name__
        raise SubmissionError(f"model '{name}' returned {kind}; return a floating-point numpy array")
    expected = (samples, frames, system.topology.n_atoms, 3)
    if prediction.ndim == 4 and prediction.shape[2] != expected[2] and prediction.shape[3] == 3:
        raise SubmissionError(f"model '{name}' returned {prediction.shape[2]} atoms, the topology has {expected[2]}")
    if prediction.shape != expected:
        raise SubmissionError(
            f"model '{name}' returned shape {prediction.shape}; expected (samples, frames, atoms, 3) = {expected}"
        )
    bad = ~np.isfinite(prediction).all(axis=(2, 3))
    if bad.any():
        sample, frame = (int(i) for i in np.argwhere(bad)[0])
        raise SubmissionError(
            f"model '{name}' returned NaN or infinity in {int(bad.sum())} of {bad.size} frames, "
            f"first in sample {sample}, frame {frame}; return finite coordinates"
        )
    _check_unit(name, prediction, system, typical)
    return np.ascontiguousarray(prediction, dtype=np.float32)


def _check_unit(name: str, prediction: NDArray[np.floating], system: System, typical: NDArray[np.floating]) -> None:
    bonds = np.array([(a.index, b.index) for a, b in system.topology.bonds])

    def lengths(xyz: NDArray[np.floating]) -> float:
        return float(np.median(np.linalg.norm(xyz[:, bonds[:, 0]] - xyz[:, bonds[:, 1]], axis=-1)))

    def extent(xyz: NDArray[np.floating]) -> float:
        return float(radius_of_gyration(xyz).mean())

    some = prediction[0, :: max(1, prediction.shape[1] // 200)]
    ratios = [measure(some) / measure(typical) for measure in (lengths, extent)]
    for factor, cause in ((10.0, "Angstrom"), (0.1, "nm divided by ten")):
        if all(factor / UNIT_SLACK < ratio < factor * UNIT_SLACK for ratio in ratios):
            raise SubmissionError(
                f"model '{name}' returned bonds {ratios[0]:.3g} times as long as real ones: "
                f"the coordinates look like {cause}; return nm"
            )


def radius_of_gyration(xyz: NDArray[np.floating]) -> NDArray[np.float64]:
    """Root mean square distance of the atoms from their centroid: (frames,), nm, of (frames, atoms, 3), nm."""
    points = np.asarray(xyz, dtype=np.float64)
    squared = ((points - points.mean(axis=1, keepdims=True)) ** 2).sum(axis=-1)
    return np.asarray(np.sqrt(squared.mean(axis=-1)))
