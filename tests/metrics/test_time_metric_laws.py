"""Laws that every energy and time metric obeys."""

from __future__ import annotations

import dataclasses
import itertools
import pickle
from collections.abc import Callable
from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import CardError
from backmapbench.metrics import Frames, Metric, MetricContext, Statistics, metric_class

SETTINGS = {
    "energy_w1_kt": {},
    "energy_terms_w1_kt": {},
    "fes_rmse_kt": {"bins": 12, "maximum_kt": 6.0, "minimum_frames": 3},
    "timescale_log_error": {},
    "eigenvector_error": {},
    "velocity_w1": {},
    "frame_jump": {},
    "hidden_torsion_jsd": {"bins": 36},
    "hidden_torsion_timescale_log_error": {"maximum_lag_frames": 30},
}
TIMELESS = ("energy_w1_kt", "energy_terms_w1_kt", "fes_rmse_kt", "hidden_torsion_jsd")
TEMPORAL = [name for name in SETTINGS if name not in TIMELESS]


@pytest.fixture(scope="module")
def fitted(make_context: Callable[..., MetricContext]) -> Callable[[str], Metric]:
    """``fitted(id)``: the metric fitted to the synthetic reference; one instance per id."""
    made: dict[str, Metric] = {}

    def get(name: str) -> Metric:
        if name not in made:
            context = make_context(kinetics={"states": 12, "lag_frames": 2}, **SETTINGS[name])
            made[name] = metric_class(name).fit(context)
        return made[name]

    return get


def blocks(metric: Metric, reference: Trajectories, prediction: NDArray[np.float32]) -> list[Statistics]:
    """Statistics of each trajectory; prediction (samples, frames, atoms, 3)."""
    return [
        metric.statistics(Frames(reference.positions[None, part]), Frames(prediction[:, part]))
        for part in reference.slices
    ]


def score(metric: Metric, reference: Trajectories, prediction: NDArray[np.float32]) -> dict[str, float]:
    """Scores of a prediction (samples, frames, atoms, 3)."""
    return metric.value(reduce(add, blocks(metric, reference, prediction)))


def weighted(statistics: list[Statistics], weights: NDArray[np.float64]) -> Statistics:
    """Weighted sum of block statistics."""
    scaled = [
        Statistics(
            {name: value * weight for name, value in block.reference.items()},
            {name: value * weight for name, value in block.prediction.items()},
        )
        for block, weight in zip(statistics, weights, strict=True)
    ]
    return reduce(add, scaled)


@pytest.mark.parametrize("name", SETTINGS)
def test_reference_scores_exactly_zero_in_every_replicate(
    name: str, fitted: Callable[[str], Metric], reference: Trajectories
) -> None:
    metric = fitted(name)
    statistics = blocks(metric, reference, reference.positions[None])
    for weights in ([1, 1, 1, 1], [0, 3, 1, 0], [4, 0, 0, 0], [0.3, 1.2, 2.1, 0.4]):
        scores = metric.value(weighted(statistics, np.array(weights, dtype=float)))
        assert set(scores) == {item.id for item in metric.scores}
        assert {scores[item.id] for item in metric.scores if item.ranked} == {0.0}


@pytest.mark.parametrize("name", SETTINGS)
def test_main_score_comes_first_and_has_the_metric_id(name: str, fitted: Callable[[str], Metric]) -> None:
    metric = fitted(name)
    assert metric.scores[0].id == metric.id == name
    assert metric.scores[0].ranked
    assert not metric.paired


@pytest.mark.parametrize("name", SETTINGS)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 99), max_size=5, unique=True))
def test_cutting_a_trajectory_changes_nothing(
    name: str, fitted: Callable[[str], Metric], make_frames: Callable[..., NDArray[np.float32]], cuts: list[int]
) -> None:
    metric = fitted(name)
    reference, prediction = make_frames(100, 0)[None], make_frames(100, 77)[None]
    whole = metric.statistics(Frames(reference), Frames(prediction))
    edges = [0, *sorted(cuts), 100]
    chunks = []
    for start, stop in itertools.pairwise(edges):
        lead = min(metric.lead, start)
        pieces = [Frames(xyz[:, start - lead : stop], lead) for xyz in (reference, prediction)]
        chunks.append(metric.statistics(*pieces))
    merged = reduce(add, chunks)
    for part in ("reference", "prediction"):
        for key, expected in getattr(whole, part).items():
            pair = (getattr(merged, part)[key], expected)
            tolerance = 1e-10 if key in ("products", "ends", "extent") else 0.0  # sums of floats; all others are counts
            np.testing.assert_allclose(*(x if isinstance(x, np.ndarray) else x.toarray() for x in pair), 0, tolerance)
    assert metric.value(merged) == pytest.approx(metric.value(whole), rel=1e-9, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("name", SETTINGS)
def test_turning_and_moving_every_frame_alike_changes_nothing(
    name: str, fitted: Callable[[str], Metric], reference: Trajectories, make_frames: Callable[..., NDArray[np.float32]]
) -> None:
    metric = fitted(name)
    prediction = np.concatenate([make_frames(100, seed) for seed in range(10, 14)])
    turn = Rotation.from_euler("xyz", [0.3, -1.1, 2.0]).as_matrix()
    moved = (prediction @ turn.T + [0.2, -0.1, 0.4]).astype(np.float32)
    scores = score(metric, reference, prediction[None])
    # float32 coordinates move a few energies, steps and angles across a cell edge
    assert score(metric, reference, moved[None]) == pytest.approx(scores, rel=2e-2, abs=2e-2, nan_ok=True)


@pytest.mark.parametrize("name", SETTINGS)
def test_only_the_first_sample_counts(name: str, fitted: Callable[[str], Metric], reference: Trajectories) -> None:
    metric = fitted(name)
    two = np.stack([reference.positions, np.zeros_like(reference.positions)])
    single = score(metric, reference, reference.positions[None])
    assert score(metric, reference, two) == pytest.approx(single, rel=0, abs=0, nan_ok=True)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_prediction_of_nan_is_undefined_or_bad_and_no_crash(
    name: str, fitted: Callable[[str], Metric], reference: Trajectories, make_frames: Callable[..., NDArray[np.float32]]
) -> None:
    metric = fitted(name)
    other = np.concatenate([make_frames(100, seed, 0.01) for seed in range(20, 24)])
    broken = score(metric, reference, np.full_like(reference.positions, np.nan)[None])[name]
    assert np.isnan(broken) or broken > score(metric, reference, other[None])[name]


@pytest.mark.parametrize("name", SETTINGS)
def test_pickled_metric_scores_the_same(name: str, fitted: Callable[[str], Metric], reference: Trajectories) -> None:
    metric = fitted(name)
    again = pickle.loads(pickle.dumps(metric))  # noqa: S301
    prediction = reference.positions[None, ::-1]
    assert score(again, reference, prediction) == pytest.approx(score(metric, reference, prediction), nan_ok=True)


@pytest.mark.parametrize("name", TEMPORAL)
def test_independent_frames_are_refused(name: str, make_context: Callable[..., MetricContext]) -> None:
    context = make_context(**SETTINGS[name])
    still = dataclasses.replace(context, reference=dataclasses.replace(context.reference, frame_ps=None))
    with pytest.raises(CardError, match="independent frames"):
        metric_class(name).fit(still)


@pytest.mark.parametrize("name", ["fes_rmse_kt", "timescale_log_error", "eigenvector_error"])
def test_missing_kinetics_table_is_refused(name: str, make_context: Callable[..., MetricContext]) -> None:
    with pytest.raises(CardError, match=r"\[kinetics\]"):
        metric_class(name).fit(dataclasses.replace(make_context(), kinetics={}))


@pytest.mark.parametrize("name", ["hidden_torsion_jsd", "hidden_torsion_timescale_log_error"])
def test_missing_hidden_torsions_are_refused(name: str, make_context: Callable[..., MetricContext]) -> None:
    with pytest.raises(CardError, match=r"hidden\.torsions"):
        metric_class(name).fit(dataclasses.replace(make_context(), hidden_torsions=np.empty((0, 4), dtype=np.intp)))
