from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import CardError, NotApplicableError
from backmapbench.metrics import Frames, MetricContext, Statistics
from backmapbench.metrics.free_energy_surface import FreeEnergySurface
from backmapbench.metrics.geometry import torsions
from backmapbench.metrics.histograms import count

STATES, BINS = 4, 3


@pytest.fixture(scope="module")
def context(make_context: Callable[..., MetricContext]) -> MetricContext:
    return make_context(kinetics={"states": STATES, "lag_frames": 2}, bins=BINS, maximum_kt=20.0, minimum_frames=1)


@pytest.fixture(scope="module")
def metric(context: MetricContext) -> FreeEnergySurface:
    return FreeEnergySurface.fit(context)


def part(codes: list[tuple[int, int]], transitions: NDArray[np.float64]) -> dict[str, object]:
    """One side's statistics from (state, bin) of every frame."""
    flat = np.array([state * BINS**2 + cell for state, cell in codes])
    frames = np.array([len(codes)], dtype=float)
    return {"visits": count(flat, 1.0, STATES * BINS**2), "frames": frames, "transitions": transitions}


def uniform_over(*states: int) -> NDArray[np.float64]:
    """Transitions of a model whose stationary distribution is uniform on ``states``."""
    counts = np.zeros((STATES, STATES))
    counts[np.ix_(states, states)] = 10.0
    return counts


def test_frames_weigh_as_the_model_says(metric: FreeEnergySurface) -> None:
    # 30 frames of state 0 in bin 2, 10 of state 1 in bin 5; the model says both states are equally likely.
    surface = metric.surface(part([(0, 2)] * 30 + [(1, 5)] * 10, uniform_over(0, 1)))
    weights = np.full(9, 0.5)
    weights[[2, 5]] += 20.0
    np.testing.assert_allclose(surface, -np.log(weights / weights.sum()))


def test_states_outside_the_model_weigh_nothing(metric: FreeEnergySurface) -> None:
    surface = metric.surface(part([(0, 2)] * 30 + [(1, 5)] * 10 + [(3, 7)] * 60, uniform_over(0, 1)))
    weights = np.full(9, 0.5)
    weights[[2, 5]] += 50.0
    np.testing.assert_allclose(surface, -np.log(weights / weights.sum()))


def test_error_by_hand(metric: FreeEnergySurface) -> None:
    compared = np.zeros(9, dtype=bool)
    compared[[2, 5]] = True
    metric = FreeEnergySurface(metric.grid, metric.space, compared)
    reference = part([(0, 2)] * 30 + [(0, 5)] * 10, uniform_over(0))
    prediction = part([(0, 2)] * 10 + [(0, 5)] * 30, uniform_over(0))
    scores = metric.value(Statistics(reference, prediction))
    gap = np.log(30.5 / 10.5)  # differences are +gap at bin 2 and -gap at bin 5; weighted mean gap * 20 / 41
    offset = gap * (30.5 - 10.5) / 41
    assert scores["fes_rmse_kt"] == pytest.approx(np.sqrt(((gap - offset) ** 2 + (gap + offset) ** 2) / 2))
    assert scores["fes_weight_visited_percent"] == pytest.approx(100)


def test_share_of_weight_visited(metric: FreeEnergySurface) -> None:
    reference = part([(0, 2)] * 30 + [(1, 5)] * 10, uniform_over(0, 1))
    scores = metric.value(Statistics(reference, part([(0, 5), (0, 8)], uniform_over(0))))
    assert scores["fes_weight_visited_percent"] == pytest.approx(50)


def test_a_constant_shift_is_no_error(metric: FreeEnergySurface) -> None:
    compared = np.zeros(9, dtype=bool)
    compared[[2, 5]] = True
    metric = FreeEnergySurface(metric.grid, metric.space, compared)
    scores = metric.value(
        Statistics(
            part([(0, 2)] * 3000 + [(0, 5)] * 1000, uniform_over(0)),
            part([(0, 2)] * 3000 + [(0, 5)] * 1000 + [(0, 8)] * 8000, uniform_over(0)),
        )
    )
    assert scores["fes_rmse_kt"] < 1e-3


def test_bins_are_those_of_numpy(metric: FreeEnergySurface, frames: Frames) -> None:
    visits = metric.statistics(frames, frames).reference["visits"].toarray().reshape(STATES, BINS, BINS)
    phi, psi = torsions(frames.xyz[0], metric.grid.coordinates.quads).T
    edges = np.linspace(-np.pi, np.pi, BINS + 1)
    np.testing.assert_array_equal(visits.sum(axis=0), np.histogram2d(phi, psi, [edges, edges])[0])
    np.testing.assert_array_equal(visits.sum(axis=(1, 2)), np.bincount(metric.space.assign(frames), minlength=STATES))


def test_undefined_frames_visit_no_bin(metric: FreeEnergySurface, frames: Frames) -> None:
    broken = frames.xyz.copy()
    broken[0, 100:] = 0.0
    statistics = metric.statistics(frames, Frames(broken))
    assert statistics.prediction["visits"].sum() == 100
    nothing = metric.statistics(frames, Frames(np.zeros_like(broken)))
    assert np.isnan(metric.value(nothing)["fes_rmse_kt"])
    assert metric.value(nothing)["fes_weight_visited_percent"] == 0


def test_compared_bins_follow_the_card(make_context: Callable[..., MetricContext], reference: Trajectories) -> None:
    def fit(**settings: float) -> FreeEnergySurface:
        return FreeEnergySurface.fit(make_context(kinetics={"states": 12, "lag_frames": 2}, bins=12, **settings))

    wide, narrow = fit(maximum_kt=4.0, minimum_frames=3), fit(maximum_kt=1.0, minimum_frames=3)
    assert 0 < narrow.compared.sum() < wide.compared.sum()
    visits = wide.statistics(Frames(reference.positions[None]), Frames(reference.positions[None])).reference["visits"]
    frames = visits.toarray().reshape(12, -1).sum(axis=0)
    assert frames[wide.compared].min() >= 3
    with pytest.raises(NotApplicableError, match="enough reference frames"):
        fit(maximum_kt=4.0, minimum_frames=1000)


def test_wrong_number_of_torsions_is_refused(make_context: Callable[..., MetricContext]) -> None:
    with pytest.raises(CardError, match=r"two kinetics\.torsions"):
        FreeEnergySurface.fit(make_context(kinetics={"states": 4, "torsions": [[4, 6, 8, 14]]}))
