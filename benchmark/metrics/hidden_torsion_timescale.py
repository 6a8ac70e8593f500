"""Error of the autocorrelation times of the torsions that the beads do not fix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from backmapbench.errors import CardError
from backmapbench.metrics.autocorrelation import autocorrelation_times, lagged_sums
from backmapbench.metrics.base import Additive, MetricContext, Score, Statistics
from backmapbench.metrics.frames import Frames
from backmapbench.metrics.hidden_torsion import hidden_quads
from backmapbench.metrics.sides import SideBySide
from backmapbench.metrics.time_series import frame_interval, torsion_series

RESOLVED = 2.0  # times dt: below it the reference's own time is set by the frame interval


@dataclass(frozen=True, eq=False)
class HiddenTorsionTimescale(SideBySide):
    """Mean |ln(tau^ / tau)| over hidden torsions.

    tau is the integrated autocorrelation time of exp(i theta) minus its mean (``autocorrelation_times``): Sokal
    window c = 5, tau kept within [dt / 2, maximum lag]. Torsions whose whole-reference tau is below 2 dt are left out,
    decided at fit. A torsion of the prediction that is never defined or never moves counts as worst: the larger |ln| of
    (dt / 2) / tau and maximum lag / tau. Undefined frames enter no pair, and where the prediction has a larger share u
    of them than the reference its error is (1 - u) times its own plus u times the worst. First sample.

    Attributes:
        quads: int (torsions, 4), atom indices of the hidden torsions with a reference tau of at least 2 dt.
        maximum_lag: frames.
        frame_ps: time between frames, ps.
    """

    id: ClassVar[str] = "hidden_torsion_timescale_log_error"
    version: ClassVar[int] = 1
    paired: ClassVar[bool] = False
    distance: ClassVar[bool] = False
    scores: ClassVar[tuple[Score, ...]] = (
        Score("hidden_torsion_timescale_log_error", "", True, "mean |ln(predicted / reference)| of correlation times"),
        Score("hidden_torsion_timescale_ps", "ps", False, "longest correlation time of the prediction's torsions"),
        Score("hidden_torsion_timescale_frozen", "", False, "torsions of the prediction that never move"),
    )

    quads: NDArray[np.intp]
    maximum_lag: int
    frame_ps: float

    @classmethod
    def fit(cls, context: MetricContext) -> Self:
        """Torsions slow enough to count. Raises CardError on independent frames, without hidden torsions or lags."""
        frame_ps = frame_interval(context, cls.id)
        quads = hidden_quads(context, cls.id)
        maximum_lag = int(context.settings.get("maximum_lag_frames", 400))
        if maximum_lag < 1:
            raise CardError(f"{cls.id}: maximum_lag_frames = {maximum_lag}; give at least 1")
        metric = cls(quads, maximum_lag, frame_ps)
        parts = [metric.describe(Frames(part[None])) for part in context.reference]
        times = metric.times({name: sum(part[name] for part in parts) for name in parts[0]})
        return cls(quads[np.nan_to_num(times) >= RESOLVED * frame_ps], maximum_lag, frame_ps)

    @property
    def lead(self) -> int:
        """The largest lag."""
        return self.maximum_lag

    def describe(self, frames: Frames) -> dict[str, Additive]:
        """``lagged_sums`` of the torsions that count, and the number of owned frames."""
        angles = torsion_series(frames, self.quads)
        sums = frames.cached(
            ("lagged sums", self.quads.tobytes(), self.maximum_lag),
            lambda: lagged_sums(angles, frames.lead, self.maximum_lag),
        )
        return {**sums, "frames": np.array([len(angles) - frames.lead], dtype=np.float64)}

    def times(self, part: Mapping[str, Additive]) -> NDArray[np.float64]:
        """Autocorrelation time of every torsion that counts, from one side's sums: (torsions,), ps.

        NaN where a torsion never moves or is never defined. For plots.
        """
        return autocorrelation_times(part, self.frame_ps)

    def value(self, statistics: Statistics) -> dict[str, float]:
        """Scores from summed statistics; NaN where no reference torsion counts."""
        expected, found = self.times(statistics.reference), self.times(statistics.prediction)
        used = np.isfinite(expected)
        if not used.any():
            return {score.id: float("nan") for score in self.scores}
        expected, found = expected[used], found[used]
        slowest = self.maximum_lag * self.frame_ps
        worst = np.maximum(np.log(expected / (self.frame_ps / 2)), np.log(slowest / expected))
        frozen = np.isnan(found)
        error = np.where(frozen, worst, np.abs(np.log(np.where(frozen, expected, found) / expected)))
        undefined = np.clip(_undefined(statistics.prediction) - _undefined(statistics.reference), 0.0, 1.0)[used]
        return {
            "hidden_torsion_timescale_log_error": float(((1 - undefined) * error + undefined * worst).mean()),
            "hidden_torsion_timescale_ps": float(found[~frozen].max()) if not frozen.all() else float("nan"),
            "hidden_torsion_timescale_frozen": float(frozen.sum()),
        }


def _undefined(part: Mapping[str, Additive]) -> NDArray[np.float64]:
    """Share of frames in which each torsion is undefined, (torsions,)."""
    frames = float(np.asarray(part["frames"])[0])
    return 1 - np.asarray(part["pairs"])[:, 0] / frames if frames > 0 else np.zeros(len(part["pairs"]))
