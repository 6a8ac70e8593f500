from __future__ import annotations

import numpy as np
import pytest
from deeptime.markov.tools.estimation import transition_matrix
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from backmapbench.metrics.reversible import reversible_transition_matrix


def random_counts(seed: int, states: int) -> NDArray[np.float64]:
    """Counts that are strongly connected through a ring, and not reversible."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(0.4, (states, states)) + np.diag(rng.poisson(20, states)).astype(float)
    counts[np.arange(states), (np.arange(states) + 1) % states] += 1
    return counts


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), states=st.integers(2, 20))
def test_is_the_estimate_of_deeptime(seed: int, states: int) -> None:
    counts = random_counts(seed, states)
    matrix, weights = reversible_transition_matrix(counts)
    expected, stationary = transition_matrix(counts, reversible=True, return_statdist=True, maxerr=1e-13)
    np.testing.assert_allclose(matrix, expected, atol=1e-8)
    np.testing.assert_allclose(weights, stationary / stationary.sum(), atol=1e-8)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), states=st.integers(2, 30), scale=st.floats(1e-3, 1e3))
def test_is_a_reversible_transition_matrix_whatever_the_scale(seed: int, states: int, scale: float) -> None:
    counts = random_counts(seed, states)
    matrix, weights = reversible_transition_matrix(counts * scale)
    flux = weights[:, None] * matrix
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    np.testing.assert_allclose(flux, flux.T, atol=1e-15)
    np.testing.assert_allclose(matrix, reversible_transition_matrix(counts)[0], atol=1e-9)


def test_counts_in_detailed_balance_are_just_normalised() -> None:
    counts = random_counts(1, 12)
    counts = counts + counts.T
    matrix, weights = reversible_transition_matrix(counts)
    np.testing.assert_allclose(matrix, counts / counts.sum(axis=1, keepdims=True), atol=1e-12)
    np.testing.assert_allclose(weights, counts.sum(axis=1) / counts.sum(), atol=1e-12)


def test_basins_joined_by_one_transition_each_way_are_balanced() -> None:
    # Two states with an exact answer: for two states any stochastic matrix is reversible, so P = C / row sums.
    counts = np.array([[1e5, 1.0], [1e-3, 50.0]])
    matrix, weights = reversible_transition_matrix(counts)
    np.testing.assert_allclose(matrix, counts / counts.sum(axis=1, keepdims=True), rtol=1e-9)
    assert weights[0] / weights[1] == pytest.approx(matrix[1, 0] / matrix[0, 1], rel=1e-9)


def test_likelihood_has_no_slope_left_when_basins_hang_by_a_thread() -> None:
    block = random_counts(3, 25)
    counts = np.zeros((50, 50))
    counts[:25, :25], counts[25:, 25:] = 100 * block, block
    counts[3, 30], counts[40, 7] = 1.0, 1e-4
    matrix, weights = reversible_transition_matrix(counts)
    rates = counts.sum(axis=1) / weights
    slope = counts.sum(axis=1) - ((counts + counts.T) * (rates[:, None] / (rates[:, None] + rates))).sum(axis=1)
    assert np.abs(slope).max() < 1e-8
    assert matrix.min() >= 0


def test_counts_that_are_not_connected_are_refused() -> None:
    with pytest.raises(ValueError, match="not strongly connected"):
        reversible_transition_matrix(np.array([[5.0, 1.0], [0.0, 5.0]]))
