"""Calibration: normal truth and samples with known spreads, the cap, and where there is no value."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from backmapbench.metrics.base import MetricContext
from backmapbench.metrics.calibration import Calibration

Evaluate = Callable[..., dict[str, float]]
ID, SIGNED = "calibration", "calibration_log_ratio"


@pytest.fixture(scope="module")
def metric(make_context: Callable[..., MetricContext]) -> Calibration:
    return Calibration.fit(make_context())


def normal(rest: NDArray, sd: float, samples: int, seed: int) -> NDArray[np.float64]:
    return np.asarray(rest + np.random.default_rng(seed).normal(scale=sd, size=(samples, 300, *rest.shape)))


@pytest.mark.parametrize("samples", [8, 24])
@pytest.mark.parametrize("factor", [0.1, 0.5, 1.0, 2.0, 10.0])
def test_known_spreads(metric: Calibration, rest: NDArray, evaluate: Evaluate, factor: float, samples: int) -> None:
    truth = normal(rest, 0.02, 1, 0)[0]
    scores = evaluate(metric, truth, normal(rest, 0.02 * factor, samples, 1))
    # Squares between samples are 2 s^2, from the truth s^2 + t^2, whatever the number of samples.
    expected = 0.5 * np.log(2 * factor**2 / (1 + factor**2))
    assert scores[SIGNED] == pytest.approx(expected, abs=0.02)
    assert scores[ID] == abs(scores[SIGNED])


def test_a_biased_sampler_is_overconfident(metric: Calibration, rest: NDArray, evaluate: Evaluate) -> None:
    truth = normal(rest, 0.02, 1, 0)[0]
    assert evaluate(metric, truth, normal(rest, 0.02, 8, 1) + 0.05)[SIGNED] < -0.5


def test_ratio_of_root_mean_squares_in_closed_form(metric: Calibration, evaluate: Evaluate) -> None:
    truth = np.zeros((1, 22, 3))
    drawn = np.zeros((8, 1, 22, 3))
    drawn[:, 0, :, 0] = np.array([1, -1] * 4)[:, None]  # 16 of 28 pairs are 2 apart, all samples 1 off
    assert evaluate(metric, truth, drawn)[SIGNED] == pytest.approx(0.5 * np.log(16 * 4 / 28))


def test_a_deterministic_map_is_at_the_cap(metric: Calibration, rest: NDArray, evaluate: Evaluate) -> None:
    drawn = np.repeat(normal(rest, 0.02, 1, 1), 8, axis=0)
    assert evaluate(metric, normal(rest, 0.02, 1, 0)[0], drawn) == {ID: 5.0, SIGNED: -5.0}
    almost = drawn + np.random.default_rng(2).normal(scale=1e-9, size=drawn.shape)
    assert evaluate(metric, normal(rest, 0.02, 1, 0)[0], almost) == {ID: 5.0, SIGNED: -5.0}


def test_the_oracle_has_no_value(metric: Calibration, rest: NDArray, evaluate: Evaluate) -> None:
    truth = normal(rest, 0.02, 1, 0)
    assert np.isnan(list(evaluate(metric, truth[0], np.repeat(truth, 8, axis=0)).values())).all()


def test_hydrogens_do_not_count(metric: Calibration, rest: NDArray, evaluate: Evaluate) -> None:
    truth, drawn = normal(rest, 0.02, 1, 0)[0], normal(rest, 0.02, 8, 1)
    moved = drawn.copy()
    moved[..., np.setdiff1d(np.arange(22), metric.heavy), :] += 0.5
    assert evaluate(metric, truth, moved) == evaluate(metric, truth, drawn)
