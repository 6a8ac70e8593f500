"""Whether samples spread as far from each other as they lie from the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from backmapbench.metrics.base import Metric, MetricContext, Score, Statistics
from backmapbench.metrics.frames import Frames
from backmapbench.metrics.samples import MINIMUM_SAMPLES, between_samples, from_truth
from backmapbench.metrics.selections import heavy_atoms

CAP = 5.0


@dataclass(frozen=True, eq=False)
class Calibration(Metric):
    """|ln( rms deviation between samples / rms deviation of samples from the truth )|, at most 5; heavy atoms.

    Root mean squares are over pairs of different samples (or samples), atoms and frames, without superposition. Where
    truth and samples are drawn from one distribution both deviations agree, so the value is 0; too narrow and too wide
    by the same factor count alike, and the log ratio beside it tells which. Samples without any spread (a deterministic
    map) count as 5. It says nothing on accuracy: read it beside the energy score. NaN where samples equal the
    truth (the oracle has no value) and below 8 samples.

    Attributes:
        heavy: indices of the heavy atoms.
    """

    heavy: NDArray[np.intp]

    id: ClassVar[str] = "calibration"
    version: ClassVar[int] = 1
    paired: ClassVar[bool] = True
    distance: ClassVar[bool] = False
    minimum_samples: ClassVar[int] = MINIMUM_SAMPLES
    scores: ClassVar[tuple[Score, ...]] = (
        Score("calibration", "", True, "|ln(spread of samples / deviation from the truth)|, at most 5"),
        Score("calibration_log_ratio", "", False, "the same with its sign: negative where samples spread too little"),
    )

    @classmethod
    def fit(cls, context: MetricContext) -> Self:
        """Select the heavy atoms. Raises DataError where there are none."""
        return cls(heavy_atoms(context.topology))

    def statistics(self, reference: Frames, prediction: Frames) -> Statistics:
        """Sums over frames of mean square deviations between samples and from the truth, nm^2."""
        between = truth = np.nan
        if prediction.samples >= self.minimum_samples:
            between = float(between_samples(prediction, self.heavy).square.sum())
            truth = float(from_truth(reference, prediction, self.heavy).square.sum())
        return Statistics(paired={"between": np.asarray(between), "truth": np.asarray(truth)})

    def value(self, statistics: Statistics) -> dict[str, float]:
        """The logarithm and its absolute value."""
        between, truth = (float(np.asarray(statistics.paired[name])) for name in ("between", "truth"))
        ratio = float("nan")
        if truth > 0 and between >= 0:
            ratio = float(np.clip(np.log(between / truth) / 2, -CAP, CAP)) if between > 0 else -CAP
        return {"calibration": abs(ratio), "calibration_log_ratio": ratio}
