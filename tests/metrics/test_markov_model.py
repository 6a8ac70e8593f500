from __future__ import annotations

import numpy as np
import pytest
from deeptime.data import double_well_discrete
from deeptime.markov import TransitionCountEstimator
from deeptime.markov.msm import MaximumLikelihoodMSM
from numpy.typing import NDArray

from backmapbench.metrics import markov_model
from backmapbench.metrics.markov_model import estimate, largest_connected_set

CHAIN = np.array([[0.97, 0.02, 0.01], [0.02, 0.95, 0.03], [0.02, 0.06, 0.92]])


def sampled_counts(steps: int, lag: int) -> NDArray[np.float64]:
    """Sliding counts at ``lag`` of a trajectory of CHAIN."""
    rng, edges = np.random.default_rng(3), np.cumsum(CHAIN, axis=1)
    states = [0]
    for draw in rng.random(steps):
        states.append(int(np.searchsorted(edges[states[-1]], draw)))
    codes = np.array(states[:-lag]) * 3 + np.array(states[lag:])
    return np.bincount(codes, minlength=9).reshape(3, 3).astype(float)


def reversible_chain() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A three-state chain in detailed balance and its stationary distribution."""
    flux = np.array([[50.0, 1.0, 0.2], [1.0, 20.0, 0.5], [0.2, 0.5, 8.0]])
    return flux / flux.sum(axis=1, keepdims=True), flux.sum(axis=1) / flux.sum()


def test_expected_counts_of_a_known_chain_give_its_spectrum() -> None:
    matrix, weights = reversible_chain()
    lagged = np.linalg.matrix_power(matrix, 5)
    model = estimate(1000 * weights[:, None] * lagged)
    exact = np.sort(np.linalg.eigvals(matrix).real)[::-1][1:]
    np.testing.assert_allclose(model.stationary, weights, atol=1e-10)
    np.testing.assert_allclose(model.timescales(5.0), -1 / np.log(exact), rtol=1e-8)
    np.testing.assert_allclose(model.left @ lagged, model.eigenvalues[:, None] * model.left, atol=1e-10)
    np.testing.assert_allclose((model.right * model.stationary) @ model.right.T, np.eye(2), atol=1e-10)


def test_sampled_chain_recovers_its_timescale() -> None:
    exact = -1 / np.log(np.sort(np.linalg.eigvals(CHAIN).real)[::-1][1:])
    np.testing.assert_allclose(estimate(sampled_counts(200_000, 4)).timescales(4.0), exact, rtol=0.05)


def test_double_well_is_that_of_deeptime() -> None:
    counts = TransitionCountEstimator(5, "sliding").fit_fetch(double_well_discrete().dtraj_n6good)
    expected = MaximumLikelihoodMSM(reversible=True, maxerr=1e-13, lagtime=5).fit_fetch(counts)
    model = estimate(counts.count_matrix)
    np.testing.assert_allclose(model.timescales(5.0)[:4], expected.timescales(4), rtol=1e-6)
    np.testing.assert_allclose(model.stationary, expected.stationary_distribution, atol=1e-8)


def test_states_outside_the_largest_connected_set_have_no_weight() -> None:
    counts = np.zeros((6, 6))
    counts[1:4, 1:4] = sampled_counts(2000, 1)
    counts[4:, 4:] = 1e6
    counts[3, 5] = 1.0  # a way out, none back
    assert largest_connected_set(counts).tolist() == [1, 2, 3]
    model = estimate(counts)
    assert (model.stationary > 0).tolist() == [False, True, True, True, False, False]
    assert model.right.shape == (2, 6)
    np.testing.assert_array_equal(model.eigenvalues, estimate(counts[1:4, 1:4]).eigenvalues)


def test_of_equally_large_sets_the_fuller_one_is_taken() -> None:
    counts = np.zeros((5, 5))
    counts[:2, :2], counts[3:, 3:] = 1.0, 2.0
    assert largest_connected_set(counts).tolist() == [3, 4]


def test_no_counts_no_model_and_one_state_no_process() -> None:
    assert not estimate(np.zeros((4, 4))).stationary.any()
    assert len(largest_connected_set(np.zeros((4, 4)))) == 0
    single = np.zeros((4, 4))
    single[2, 2] = 7.0
    assert estimate(single).stationary.tolist() == [0, 0, 1, 0]
    assert estimate(single).timescales(1.0).shape == (0,)


def test_oscillation_is_no_relaxation() -> None:
    assert np.isnan(estimate(np.array([[1.0, 9.0], [9.0, 1.0]])).timescales(1.0)).all()


def test_equal_counts_are_estimated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markov_model, "REMEMBERED", 2)
    markov_model._models.clear()
    counts = sampled_counts(2000, 1)
    first = estimate(counts)
    assert estimate(counts.copy()) is first
    estimate(counts * 2)
    estimate(counts * 3)
    assert len(markov_model._models) == 2
    assert estimate(counts) is not first
