"""How samples of one frame differ from each other and from the truth: shared by the metrics of spread."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from backmapbench.metrics.frames import Frames

MINIMUM_SAMPLES = 8


@dataclass(frozen=True, eq=False)
class Deviations:
    """Deviations of a frame, mean over samples or pairs of samples; both (frames,).

    Attributes:
        rmsd: mean RMSD, nm.
        square: mean square deviation, nm^2.
    """

    rmsd: NDArray[np.float64]
    square: NDArray[np.float64]


def between_samples(frames: Frames, atoms: NDArray[np.intp]) -> Deviations:
    """Deviations between different samples of each owned frame over ``atoms``, not superposed; NaN for one sample."""
    return frames.cached(("between samples", atoms.tobytes()), lambda: _between(frames, atoms))


def from_truth(reference: Frames, prediction: Frames, atoms: NDArray[np.intp]) -> Deviations:
    """Deviations of the samples of each owned frame from the reference over ``atoms``, not superposed."""
    target = reference.owned[0][:, atoms].astype(np.float64)
    return _mean([_squares(sample[:, atoms].astype(np.float64), target) for sample in prediction.owned])


def _between(frames: Frames, atoms: NDArray[np.intp]) -> Deviations:
    chosen = [sample[:, atoms].astype(np.float64) for sample in frames.owned]
    if len(chosen) < 2:
        nothing = np.full(frames.owned.shape[1], np.nan)
        return Deviations(nothing, nothing)
    return _mean([_squares(first, second) for first, second in combinations(chosen, 2)])


def _squares(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over atoms of squared distances: (frames,), nm^2."""
    with np.errstate(invalid="ignore", over="ignore"):
        difference = first - second
        found: NDArray[np.float64] = np.einsum("fai,fai->f", difference, difference) / first.shape[1]
    return found


def _mean(squares: list[NDArray[np.float64]]) -> Deviations:
    rmsd, square = np.zeros((2, len(squares[0])))
    for each in squares:
        rmsd += np.sqrt(each)
        square += each
    return Deviations(rmsd / len(squares), square / len(squares))
