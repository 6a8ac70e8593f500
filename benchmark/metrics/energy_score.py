"""Energy score of an ensemble of samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from backmapbench.metrics.base import Metric, MetricContext, Score, Statistics
from backmapbench.metrics.frames import Frames
from backmapbench.metrics.samples import MINIMUM_SAMPLES, between_samples, from_truth
from backmapbench.metrics.selections import heavy_atoms

ANGSTROM_PER_NM = 10.0


@dataclass(frozen=True, eq=False)
class EnergyScore(Metric):
    """mean_s RMSD(x^_s, x) - 1/2 mean_{s != s'} RMSD(x^_s, x^_s'), mean over frames, heavy atoms, not superposed.

    A proper score (Gneiting and Raftery 2007 J. Am. Stat. Assoc. 102, 359, eq. 22): in expectation nothing beats
    samples of the true distribution of atoms given the beads, neither a sharper prediction nor a wider one. Means over
    pairs of different samples make it fair to any number of samples. It is 0 only for samples that all equal the
    reference; for exchangeable samples it is half their mean distance, the floor that conditional MD shows. Below 8
    samples: NaN.

    Attributes:
        heavy: indices of the heavy atoms.
    """

    heavy: NDArray[np.intp]

    id: ClassVar[str] = "energy_score_angstrom"
    version: ClassVar[int] = 1
    paired: ClassVar[bool] = True
    distance: ClassVar[bool] = False
    minimum_samples: ClassVar[int] = MINIMUM_SAMPLES
    scores: ClassVar[tuple[Score, ...]] = (
        Score("energy_score_angstrom", "Angstrom", True, "mean RMSD of samples minus half their mean distance"),
    )

    @classmethod
    def fit(cls, context: MetricContext) -> Self:
        """Select the heavy atoms. Raises DataError where there are none."""
        return cls(heavy_atoms(context.topology))

    def statistics(self, reference: Frames, prediction: Frames) -> Statistics:
        """Sum over frames of the score (nm) and number of frames."""
        frames = prediction.owned.shape[1]
        score = np.nan
        if prediction.samples >= self.minimum_samples:
            truth = from_truth(reference, prediction, self.heavy).rmsd
            score = float((truth - between_samples(prediction, self.heavy).rmsd / 2).sum())
        return Statistics(paired={"score": np.asarray(score), "frames": np.asarray(float(frames))})

    def value(self, statistics: Statistics) -> dict[str, float]:
        """The mean over frames in Angstrom."""
        score, frames = (float(np.asarray(statistics.paired[name])) for name in ("score", "frames"))
        return {"energy_score_angstrom": ANGSTROM_PER_NM * score / frames if frames > 0 else float("nan")}
