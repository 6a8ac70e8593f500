from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.metrics import Frames, MetricContext, Statistics
from backmapbench.metrics.markov_model import estimate
from backmapbench.metrics.timescales import Timescales, floored_timescales

STATES = 12


@pytest.fixture(scope="module")
def fitted(make_context: Callable[..., MetricContext]) -> Timescales:
    return Timescales.fit(make_context(kinetics={"states": STATES, "lag_frames": 2}))


@pytest.fixture(scope="module")
def metric(fitted: Timescales) -> Timescales:
    return Timescales(fitted.space, 2, fitted.raw_space, 2)


def hopping(*times: float) -> NDArray[np.float64]:
    """Expected counts at lag 2 of a chain with these two relaxation times in an otherwise memoryless three-state set.

    P = 1 pi + sum_i exp(-2 / t_i) psi_i phi_i, with pi uniform and the psi orthogonal.
    """
    vectors = np.array([[1.0, -1.0, 0.0], [1.0, 1.0, -2.0]])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    matrix = np.full((3, 3), 1 / 3) + sum(np.exp(-2 / t) * np.outer(v, v) for t, v in zip(times, vectors, strict=False))
    counts = np.zeros((STATES, STATES))
    counts[:3, :3] = 1e4 * matrix
    return counts


def statistics(reference: NDArray[np.float64], prediction: NDArray[np.float64]) -> Statistics:
    sides = [
        {"transitions": counts, "raw_transitions": counts, "frames": np.array([100.0, 5.0, 20.0])}
        for counts in (reference, prediction)
    ]
    return Statistics(*sides)


def test_logarithms_of_ratios_are_averaged(metric: Timescales) -> None:
    scores = metric.value(statistics(hopping(40.0, 10.0), hopping(80.0, 2.5)))
    assert scores["timescale_log_error"] == pytest.approx((np.log(2) + np.log(4)) / 2, rel=1e-6)
    assert scores["timescale_log_error_as_published"] == pytest.approx(scores["timescale_log_error"])
    assert scores["timescale_missing"] == 0
    assert scores["timescale_undefined_percent"] == 5
    assert scores["timescale_outside_percent"] == 20


def test_missing_and_fast_processes_count_as_a_fifth_of_the_lag(metric: Timescales) -> None:
    scores = metric.value(statistics(hopping(40.0, 10.0), hopping(40.0, 0.01)))
    assert scores["timescale_log_error"] == pytest.approx(np.log(10 / 0.4) / 2, rel=1e-6)
    assert scores["timescale_missing"] == 1
    nothing = metric.value(statistics(hopping(40.0, 10.0), np.zeros((STATES, STATES))))
    assert nothing["timescale_log_error"] == pytest.approx((np.log(40 / 0.4) + np.log(10 / 0.4)) / 2, rel=1e-6)
    assert nothing["timescale_missing"] == 2


def test_error_grows_with_the_ratio(metric: Timescales) -> None:
    errors = [
        metric.value(statistics(hopping(40.0, 10.0), hopping(40.0 / f, 10.0 / f)))["timescale_log_error"]
        for f in (1, 1.2, 2, 4, 10, 30)
    ]
    assert errors[0] == pytest.approx(0, abs=1e-8)
    assert all(np.diff(errors) > 0)


def test_no_slow_process_no_score(fitted: Timescales) -> None:
    metric = Timescales(fitted.space, 0, fitted.raw_space, 0)
    assert np.isnan(metric.value(statistics(hopping(40.0), hopping(40.0)))["timescale_log_error"])


def test_processes_are_counted_on_the_whole_reference(fitted: Timescales, frames: Frames) -> None:
    assert fitted.processes >= 1
    times, missing = floored_timescales(fitted.space.transitions(frames), 2.0, 12)
    assert len(times) == 12
    assert missing[-1]  # at most 11 processes among 12 states


def test_processes_faster_than_the_lag_do_not_count(fitted: Timescales, reference: Trajectories) -> None:
    times = estimate(fitted.space.total(reference)).timescales(2.0)
    assert (times < 2.0).any()
    assert fitted.processes == (times > 2.0).sum()


def test_random_order_destroys_the_kinetics(fitted: Timescales, frames: Frames) -> None:
    shuffled = frames.xyz[:, np.random.default_rng(0).permutation(frames.xyz.shape[1])]
    assert fitted.value(fitted.statistics(frames, Frames(shuffled)))["timescale_log_error"] > 0.5
