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
    some = prediction[0, :: max(1, prediction.shape[1] // 200)]
    ratios = [_bond_length(some, bonds) / _bond_length(typical, bonds), _extent(some) / _extent(typical)]
    for factor, cause in ((10.0, "Angstrom"), (0.1, "nm divided by ten")):
        if all(factor / UNIT_SLACK < ratio < factor * UNIT_SLACK for ratio in ratios):
            raise SubmissionError(
                f"model '{name}' returned bonds {ratios[0]:.3g} times as long as real ones: "
                f"the coordinates look like {cause}; return nm"
            )


def _bond_length(xyz: NDArray[np.floating], bonds: NDArray[np.intp]) -> float:
    lengths = np.linalg.norm(xyz[:, bonds[:, 0]] - xyz[:, bonds[:, 1]], axis=-1)
    return float(np.median(lengths))


def _extent(xyz: NDArray[np.floating]) -> float:
    return float(np.sqrt(((xyz - xyz.mean(axis=1, keepdims=True)) ** 2).sum(-1).mean()))
