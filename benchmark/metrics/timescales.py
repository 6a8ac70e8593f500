"""Error of implied timescales of a Markov state model on the card's states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from backmapbench.metrics.base import Additive, MetricContext, Score, Statistics
from backmapbench.metrics.frames import Frames
from backmapbench.metrics.kinetics import StateSpace, reference_counts, state_space
from backmapbench.metrics.markov_model import estimate
from backmapbench.metrics.sides import OnStates

FLOOR = 1 / 5  # of the lag: a process that decays to e^-5 within one lag cannot be told from none


def slow_processes(context: MetricContext, space: StateSpace) -> int:
    """How many processes of the whole reference are slower than the lag; decided once, for every replicate alike."""
    times = estimate(reference_counts(context, space)).timescales(space.lag_ps)
    return int((times > space.lag_ps).sum())


def floored_timescales(
    counts: NDArray[np.floating], lag_ps: float, processes: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The slowest timescales (processes,), ps, with undefined, missing and too fast ones at lag / 5; and which are."""
    times = np.full(processes, np.nan)
    found = estimate(counts).timescales(lag_ps)[:processes]
    times[: len(found)] = found
    missing = ~(times >= lag_ps * FLOOR)
    return np.where(missing, lag_ps * FLOOR, times), missing


@dataclass(frozen=True, eq=False)
class Timescales(OnStates):
    """Mean |ln(t^ / t)| over the processes that are slower than the lag in the reference, matched by rank.

    States are k-means centres on cos and sin of the card's torsions or on TICA components of CA-CA distances, fitted
    once on the reference; each side gets a reversible maximum-likelihood model on its largest connected set. t^
    undefined, missing or below lag / 5 is set to lag / 5 and counted. States outside the connected set of the whole
    reference are left out of both sides (``StateSpace.active``). As published (Shmilovich 2022): centres on raw angles,
    where a basin cut by +-pi becomes two; on TICA components that is the main score itself.

    Attributes:
        space: states on cos and sin, or on TICA components.
        processes: processes slower than the lag in the whole reference, at most 16.
        raw_space: states on raw angles, or the same TICA components.
        raw_processes: the same number with those.
    """

    id: ClassVar[str] = "timescale_log_error"
    version: ClassVar[int] = 1
    paired: ClassVar[bool] = False
    distance: ClassVar[bool] = False
    scores: ClassVar[tuple[Score, ...]] = (
        Score("timescale_log_error", "", True, "mean |ln(predicted / reference)| of timescales slower than the lag"),
        Score("timescale_missing", "", False, "processes of the prediction set to lag / 5"),
        Score("timescale_undefined_percent", "%", False, "share of frames in no state: a feature is undefined"),
        Score("timescale_outside_percent", "%", False, "share of frames in states that the reference's model lacks"),
        Score("timescale_log_error_as_published", "", False, "the same with k-means on raw angles"),
    )

    space: StateSpace
    processes: int
    raw_space: StateSpace
    raw_processes: int

    @classmethod
    def fit(cls, context: MetricContext) -> Self:
        """States and the number of slow processes, from the reference."""
        space, raw = state_space(context, cls.id), state_space(context, cls.id, periodic=False)
        return cls(space, slow_processes(context, space), raw, slow_processes(context, raw))

    def describe(self, frames: Frames) -> dict[str, Additive]:
        """Counts (states, states) for both kinds of centres, frames by ``StateSpace.census``, counts at other lags.

        The counts at ``picture_lags`` (1, lags x states x states) enter no score: they are there for pictures.
        """
        return {
            "transitions": self.space.transitions(frames),
            "raw_transitions": self.raw_space.transitions(frames),
            "frames": self.space.census(frames),
            "lagged_transitions": self.space.lagged_transitions(frames),
        }

    def value(self, statistics: Statistics) -> dict[str, float]:
        """Scores from summed statistics; NaN without frames and where no process of the reference outlasts the lag."""
        x, y = statistics.reference, statistics.prediction
        error, missing = self._error(x, y, "transitions", self.processes)
        frames, undefined, outside = np.asarray(y["frames"])
        if frames <= 0 or np.asarray(x["frames"])[0] <= 0:
            return {score.id: float("nan") for score in self.scores}
        percent = 100 / frames
        return {
            "timescale_log_error": error,
            "timescale_missing": float(missing),
            "timescale_undefined_percent": float(undefined * percent),
            "timescale_outside_percent": float(outside * percent),
            "timescale_log_error_as_published": self._error(x, y, "raw_transitions", self.raw_processes)[0],
        }

    def _error(
        self, reference: Mapping[str, Additive], prediction: Mapping[str, Additive], name: str, processes: int
    ) -> tuple[float, int]:
        expected, _ = floored_timescales(reference[name], self.space.lag_ps, processes)
        found, missing = floored_timescales(prediction[name], self.space.lag_ps, processes)
        error = float(np.abs(np.log(found / expected)).mean()) if processes else float("nan")
        return error, int(missing.sum())
