from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import DataError
from backmapbench.metrics import Frames, MetricContext
from backmapbench.metrics.frame_jump import FrameJump


@pytest.fixture(scope="module")
def metric(make_context: Callable[..., MetricContext]) -> FrameJump:
    return FrameJump.fit(make_context())


def shares(metric: FrameJump, reference: Trajectories, prediction: np.ndarray) -> dict[str, float]:
    return metric.value(metric.statistics(Frames(reference.positions[None, :100]), Frames(prediction[None])))


def test_threshold_is_the_percentile_within_trajectories(metric: FrameJump, reference: Trajectories) -> None:
    steps = [np.sqrt((np.diff(part.astype(np.float64), axis=0) ** 2).sum(-1).mean(-1)) for part in reference]
    assert metric.threshold == pytest.approx(np.percentile(np.concatenate(steps), 99.9))


def test_teleports_are_counted(metric: FrameJump, reference: Trajectories) -> None:
    still = np.repeat(reference.positions[:1], 101, axis=0)
    assert shares(metric, reference, still)["frame_jump_raw"] == 0
    still[30:] += 5.0
    still[60] += 5.0  # there and back: two more jumps
    scores = shares(metric, reference, still)
    assert scores["frame_jump_raw"] == pytest.approx(0.03)
    expected = metric.statistics(Frames(reference.positions[None, :100]), Frames(still[None])).reference["steps"]
    assert scores["frame_jump"] == pytest.approx(abs(0.03 - expected[1] / 99))


def test_steps_to_nowhere_are_jumps(metric: FrameJump, reference: Trajectories) -> None:
    assert shares(metric, reference, np.full_like(reference.positions[:10], np.nan))["frame_jump_raw"] == 1


def test_single_frames_have_no_steps(
    metric: FrameJump, make_context: Callable[..., MetricContext], reference: Trajectories
) -> None:
    assert np.isnan(shares(metric, reference, reference.positions[:1])["frame_jump"])
    with pytest.raises(DataError, match="two frames"):
        FrameJump.fit(make_context(reference=Trajectories(reference.positions[:2], (1, 1), 1.0)))
