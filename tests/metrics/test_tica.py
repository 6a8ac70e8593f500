"""The TICA path: components of CA-CA distances, and the metrics on them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import reduce
from operator import add
from typing import Any

import mdtraj
import numpy as np
import pytest
import scipy.linalg
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import CardError, DataError
from backmapbench.metrics import Frames, Metric, MetricContext, metric_class
from backmapbench.metrics.features import alpha_carbons
from backmapbench.metrics.kinetics import state_space
from backmapbench.metrics.tica import TicaFeatures, all_pairs, fit_tica

LAG = 5
FRAMES, TRAJECTORIES = 300, 4
HOPS = (0.01, 0.1)  # chance per frame that each of two modes changes its side
KINETICS = {
    "features": "ca_distances",
    "torsions": [],
    "tica_dimensions": 2,
    "tica_lag_frames": LAG,
    "states": 20,
    "lag_frames": LAG,
}


def moving(rest: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """One trajectory (FRAMES, atoms, 3): two collective modes that hop at the rates ``HOPS``, noise and tumbling."""
    modes = np.random.default_rng(0).normal(scale=0.1, size=(2, *rest.shape))
    rng = np.random.default_rng(seed)
    sides = np.cumprod(np.where(rng.random((2, FRAMES)) < np.array(HOPS)[:, None], -1, 1), axis=1)
    still = rest + np.einsum("mf,mai->fai", sides, modes) + rng.normal(scale=0.01, size=(FRAMES, *rest.shape))
    turns = Rotation.random(FRAMES, rng=rng).as_matrix()
    return np.einsum("fij,faj->fai", turns, still).astype(np.float32)


@pytest.fixture(scope="module")
def trajectories(peptide: tuple[mdtraj.Topology, NDArray[np.float32]]) -> Trajectories:
    """The reference."""
    parts = [moving(peptide[1], seed) for seed in range(TRAJECTORIES)]
    return Trajectories(np.concatenate(parts), (FRAMES,) * TRAJECTORIES, 1.0)


@pytest.fixture(scope="module")
def context(
    peptide: tuple[mdtraj.Topology, NDArray[np.float32]],
    trajectories: Trajectories,
    make_context: Callable[..., MetricContext],
) -> MetricContext:
    return dataclasses.replace(make_context(reference=trajectories, kinetics=KINETICS), topology=peptide[0])


def test_pairs_are_all_pairs_of_alpha_carbons(peptide: tuple[mdtraj.Topology, NDArray[np.float32]]) -> None:
    pairs = all_pairs(alpha_carbons(peptide[0]))
    assert [tuple(pair) for pair in pairs] == [tuple(pair) for pair in peptide[0].select_pairs("name CA", "name CA")]
    assert len(all_pairs(np.arange(10))) == 45


@pytest.mark.parametrize("size", [3, 4, 5, 6])
def test_the_open_sign_of_a_component_makes_its_largest_coefficient_positive(
    size: int, trajectories: Trajectories, peptide: tuple[mdtraj.Topology, NDArray[np.float32]]
) -> None:
    matrix = fit_tica(trajectories, all_pairs(alpha_carbons(peptide[0])[:size]), 2, LAG).matrix
    assert (matrix[np.abs(matrix).argmax(axis=0), [0, 1]] > 0).all()


def test_components_solve_the_generalised_eigenvalue_problem(
    trajectories: Trajectories, peptide: tuple[mdtraj.Topology, NDArray[np.float32]]
) -> None:
    """Covariances by numpy, MDTraj's distances, scipy's solver; kinetic-map scaling makes the variance lambda^2."""
    pairs = all_pairs(alpha_carbons(peptide[0])[:5])
    found = fit_tica(trajectories, pairs, 2, LAG)
    series = [
        mdtraj.compute_distances(mdtraj.Trajectory(part, peptide[0]), pairs).astype(float) for part in trajectories
    ]
    early, late = (np.concatenate([part[cut] for part in series]) for cut in (np.s_[:-LAG], np.s_[LAG:]))
    mean = (early.mean(axis=0) + late.mean(axis=0)) / 2
    early, late = early - mean, late - mean
    instant, lagged = early.T @ early + late.T @ late, early.T @ late + late.T @ early
    values, vectors = scipy.linalg.eigh(lagged, instant)
    expected = (np.concatenate(series) - mean) @ vectors[:, ::-1][:, :2] * np.sqrt(2 * len(early)) * values[::-1][:2]
    projected = found.series(Frames(trajectories.positions[None]))
    signs = np.sign((projected * expected).sum(axis=0))
    np.testing.assert_allclose(projected, expected * signs, atol=2e-3)


def test_components_tell_the_slow_modes(trajectories: Trajectories, context: MetricContext) -> None:
    space = state_space(context, "test")
    assert isinstance(space.features, TicaFeatures)
    projected = space.features.series(Frames(trajectories.positions[None]))
    assert projected.shape == (FRAMES * TRAJECTORIES, 2)
    first = projected[:, 0]
    halves = first[first > 0].mean(), first[first < 0].mean()
    assert min(np.abs(halves)) > 5 * min(first[first > 0].std(), first[first < 0].std())
    times = metric_class("timescale_log_error").fit(context)
    assert times.processes >= 1
    counts = space.total(trajectories)
    from backmapbench.metrics.markov_model import estimate

    exact = -1 / np.log(1 - 2 * HOPS[0])
    assert estimate(counts).timescales(space.lag_ps)[0] == pytest.approx(exact, rel=0.6)  # about 12 hops in all


def test_the_sign_is_fixed_and_the_fit_repeatable(trajectories: Trajectories) -> None:
    pairs = all_pairs(np.arange(6))
    found = fit_tica(trajectories, pairs, 2, LAG)
    largest = found.matrix[np.abs(found.matrix).argmax(axis=0), [0, 1]]
    assert (largest > 0).all()
    np.testing.assert_array_equal(fit_tica(trajectories, pairs, 2, LAG).matrix, found.matrix)


def test_published_variant_is_the_main_score(context: MetricContext, trajectories: Trajectories) -> None:
    metric = metric_class("timescale_log_error").fit(context)
    half = Frames(trajectories.positions[None, :FRAMES])
    scores = metric.value(metric.statistics(Frames(trajectories.positions[None]), half))
    assert scores["timescale_log_error_as_published"] == scores["timescale_log_error"]


ON_STATES = ("fes_rmse_kt", "timescale_log_error", "eigenvector_error")


def settings_of(name: str) -> dict[str, Any]:
    return {"bins": 15, "maximum_kt": 6.0, "minimum_frames": 3} if name == "fes_rmse_kt" else {}


def score(metric: Metric, reference: Trajectories, prediction: NDArray[np.float32], chunk: int) -> dict[str, float]:
    """Scores with every trajectory cut into chunks."""
    parts = []
    for whole in reference.slices:
        for start in range(whole.start, whole.stop, chunk):
            lead = min(metric.lead, start - whole.start)
            cut = slice(start - lead, min(start + chunk, whole.stop))
            sides = (Frames(xyz[None, cut], lead) for xyz in (reference.positions, prediction))
            parts.append(metric.statistics(*sides))
    return metric.value(reduce(add, parts))


@pytest.mark.parametrize("name", ON_STATES)
def test_laws_hold_on_components(name: str, context: MetricContext, trajectories: Trajectories) -> None:
    metric = metric_class(name).fit(dataclasses.replace(context, settings=settings_of(name)))
    xyz = trajectories.positions
    ranked = [item.id for item in metric.scores if item.ranked]
    own = score(metric, trajectories, xyz, 300)
    assert {own[each] for each in ranked} == {0.0}
    shuffled = xyz[np.random.default_rng(1).permutation(len(xyz))]
    if name == "fes_rmse_kt":
        assert score(metric, trajectories, shuffled, 300)[name] < 1.0  # weights alone change
    else:
        assert score(metric, trajectories, shuffled, 300)[name] > 0.3
    for size in (300, 77):
        broken = xyz[:, :, [1, 2, 0]].copy()  # a proper rotation
        broken[:, :, 0] += 0.5
        assert score(metric, trajectories, broken, size) == pytest.approx(own, abs=1e-2)
    nothing = score(metric, trajectories, np.full_like(xyz, np.nan), 300)[name]
    assert np.isnan(nothing) or nothing > 0.5


def test_what_cannot_be_fitted_is_refused(
    trajectories: Trajectories, make_context: Callable[..., MetricContext]
) -> None:
    with pytest.raises(CardError, match="CA atom"):
        state_space(make_context(kinetics=KINETICS), "test")
    with pytest.raises(CardError, match="tica_dimensions = 2"):
        fit_tica(trajectories, np.array([[0, 5]]), 2, LAG)
    with pytest.raises(DataError, match="tica_lag_frames"):
        fit_tica(trajectories, all_pairs(np.arange(4)), 2, 300)
    with pytest.raises(CardError, match="components that vary"):
        fit_tica(trajectories, np.array([[0, 5], [0, 5]]), 2, LAG)
