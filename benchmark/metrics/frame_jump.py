"""Share of frame steps that are larger than almost any in the reference: teleports between frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from backmapbench.errors import DataError
from backmapbench.metrics.base import Additive, MetricContext, Score, Statistics
from backmapbench.metrics.frames import Frames
from backmapbench.metrics.sides import SideBySide
from backmapbench.metrics.time_series import frame_interval, frame_steps

JUMP_PERCENTILE = 99.9


@dataclass(frozen=True)
class FrameJump(SideBySide):
    """Share of steps above the reference's 99.9th percentile.

    Steps as in velocity_w1: root mean square over atoms, within trajectories, not superposed, first sample. A
    step that is not a number counts as a jump.

    Attributes:
        threshold: the reference's 99.9th percentile at fit, nm.
    """

    id: ClassVar[str] = "frame_jump"
    version: ClassVar[int] = 1
    paired: ClassVar[bool] = False
    distance: ClassVar[bool] = False
    scores: ClassVar[tuple[Score, ...]] = (
        Score("frame_jump", "", True, "difference in the share of steps above the reference's 99.9th percentile"),
        Score("frame_jump_raw", "", False, "share of steps above the reference's 99.9th percentile"),
    )

    threshold: float

    @classmethod
    def fit(cls, context: MetricContext) -> Self:
        """The threshold. Raises CardError on independent frames, DataError when no trajectory has two frames."""
        frame_interval(context, cls.id)
        steps = np.concatenate([frame_steps(Frames(part[None])) for part in context.reference])
        if not len(steps):
            raise DataError("no reference trajectory has two frames, so there are no frame steps; remove frame_jump")
        return cls(float(np.percentile(steps, JUMP_PERCENTILE)))

    @property
    def lead(self) -> int:
        """One frame: the step into a chunk's first frame."""
        return 1

    def describe(self, frames: Frames) -> dict[str, Additive]:
        """[steps, jumps]."""
        steps = frame_steps(frames)
        return {"steps": np.array([len(steps), (~(steps <= self.threshold)).sum()], dtype=np.float64)}

    def value(self, statistics: Statistics) -> dict[str, float]:
        """Scores from summed statistics; NaN where either side has no steps."""
        expected, found = _share(statistics.reference), _share(statistics.prediction)
        return {"frame_jump": abs(found - expected), "frame_jump_raw": found}


def _share(part: Mapping[str, Additive]) -> float:
    steps, jumps = np.asarray(part["steps"])
    return float(jumps / steps) if steps > 0 else float("nan")
