"""Diversity: closed forms, and that it is descriptive."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.metrics.base import MetricContext
from backmapbench.metrics.diversity import Diversity

Evaluate = Callable[..., dict[str, float]]
ID = "diversity_angstrom"


@pytest.fixture(scope="module")
def metric(make_context: Callable[..., MetricContext]) -> Diversity:
    return Diversity.fit(make_context())


def test_distances_between_shifted_copies(metric: Diversity, reference: Trajectories, evaluate: Evaluate) -> None:
    shifts = np.array([0.0, 0.1, 0.3])
    drawn = reference.positions + shifts[:, None, None, None] * [0.0, 0.0, 1.0]
    assert evaluate(metric, reference.positions, drawn)[ID] == pytest.approx(10 * (0.1 + 0.3 + 0.2) / 3, rel=1e-6)


def test_it_does_not_look_at_the_reference(metric: Diversity, reference: Trajectories, evaluate: Evaluate) -> None:
    drawn = reference.positions + np.random.default_rng(0).normal(scale=0.02, size=(3, *reference.positions.shape))
    found = evaluate(metric, reference.positions, drawn)
    assert evaluate(metric, reference.positions * 0, drawn) == found
    assert not metric.paired
    assert not metric.scores[0].ranked


def test_equal_samples_have_none_and_one_sample_no_value(
    metric: Diversity, reference: Trajectories, evaluate: Evaluate
) -> None:
    assert evaluate(metric, reference.positions, np.repeat(reference.positions[None], 3, axis=0))[ID] == 0.0
    assert metric.minimum_samples == 2
    assert np.isnan(evaluate(metric, reference.positions, reference.positions)[ID])
