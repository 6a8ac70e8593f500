"""Chapman-Kolmogorov test and timescales by lag: deeptime's own test, and chains whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from deeptime.data import double_well_discrete
from deeptime.markov import TransitionCountEstimator
from deeptime.markov.msm import MarkovStateModel, MaximumLikelihoodMSM
from numpy.typing import NDArray

from backmapbench.metrics.markov_validation import chapman_kolmogorov, metastable_sets, timescales_by_lag
from backmapbench.metrics.posterior import Posterior, draw_posterior

MULTIPLES = (1, 2, 5)
LAG = 5


def chain() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two pairs of states that mix fast within and slowly between: transition matrix and stationary distribution."""
    flux = np.array([[30.0, 9.0, 0.2, 0.1], [9.0, 20.0, 0.1, 0.3], [0.2, 0.1, 10.0, 4.0], [0.1, 0.3, 4.0, 12.0]])
    return flux / flux.sum(axis=1, keepdims=True), flux.sum(axis=1) / flux.sum()


def counts_of(matrix: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([1e4 * weights[:, None] * np.linalg.matrix_power(matrix, k) for k in MULTIPLES])


@pytest.fixture(scope="module")
def double_well() -> tuple[NDArray[np.float64], list[MarkovStateModel]]:
    """Sliding counts of deeptime's double well at each lag, and deeptime's models of them."""
    counts, models = [], []
    for multiple in MULTIPLES:
        estimator = TransitionCountEstimator(multiple * LAG, "sliding")
        counted = estimator.fit_fetch(double_well_discrete().dtraj_n6good)
        counts.append(counted.count_matrix)
        models.append(MaximumLikelihoodMSM(reversible=True, maxerr=1e-13, lagtime=multiple * LAG).fit_fetch(counted))
    return np.array(counts), models


def nothing(size: int) -> Posterior:
    return Posterior(np.arange(size), np.empty((0, size, size)), np.empty((0, size)))


def test_the_test_is_that_of_deeptime(double_well: tuple[NDArray[np.float64], list[MarkovStateModel]]) -> None:
    counts, models = double_well
    expected = models[0].ck_test(models, 2, include_lag0=False)
    found = chapman_kolmogorov(counts, MULTIPLES, metastable_sets(counts[0], 2), nothing(len(counts[0])))
    order = [0, 1]
    predicted, estimated = (np.asarray(values) for values in (expected.predictions, expected.estimates))
    if abs(found.predicted[0, 0, 0] - predicted[0, 0, 0]) > 1e-6:  # which set comes first is open
        order = [1, 0]
    np.testing.assert_allclose(found.predicted[:, order][:, :, order], predicted, atol=1e-6)
    np.testing.assert_allclose(found.estimated[:, order][:, :, order], estimated, atol=1e-6)
    assert np.isnan(found.low).all()


def test_timescales_are_those_of_deeptime(double_well: tuple[NDArray[np.float64], list[MarkovStateModel]]) -> None:
    counts, models = double_well
    found = timescales_by_lag(counts, [0.5 * LAG * multiple for multiple in MULTIPLES], 2)
    np.testing.assert_allclose(found, [0.5 * model.timescales(2) for model in models], rtol=1e-5)


def test_a_chain_that_is_markov_passes_exactly() -> None:
    matrix, weights = chain()
    counts = counts_of(matrix, weights)
    members = metastable_sets(counts[0], 2)
    np.testing.assert_allclose(members.sum(axis=1), 1.0)
    assert (members[:2].argmax(axis=1) == members[0].argmax()).all()
    assert (members[2:].argmax(axis=1) == members[2].argmax()).all()
    found = chapman_kolmogorov(counts, MULTIPLES, members, nothing(4))
    np.testing.assert_allclose(found.predicted, found.estimated, atol=1e-9)
    np.testing.assert_allclose(found.predicted.sum(axis=2), 1.0)
    exact = -1 / np.log(np.sort(np.linalg.eigvals(matrix).real)[::-1][1:])
    times = timescales_by_lag(counts, MULTIPLES, 4)
    np.testing.assert_allclose(times[:, :3], np.tile(exact, (3, 1)), rtol=1e-6)
    assert np.isnan(times[:, 3]).all()


def test_a_process_with_memory_fails() -> None:
    matrix, weights = chain()
    counts = counts_of(matrix, weights)
    counts[2] = counts[0]  # after five lags no more has left than after one
    found = chapman_kolmogorov(counts, MULTIPLES, metastable_sets(counts[0], 2), nothing(4))
    diagonal = np.arange(2)
    assert (found.estimated[2, diagonal, diagonal] > found.predicted[2, diagonal, diagonal] + 0.02).all()


def test_the_interval_holds_the_prediction_and_narrows() -> None:
    counts = counts_of(*chain())
    members = metastable_sets(counts[0], 2)
    widths = []
    for factor in (0.05, 1.0):
        posterior = draw_posterior(factor * counts[0], 200, 0, lag_frames=1)
        found = chapman_kolmogorov(factor * counts, MULTIPLES, members, posterior)
        assert (found.low <= found.predicted).all()
        assert (found.predicted <= found.high).all()
        widths.append((found.high - found.low).mean())
    assert widths[1] == pytest.approx(widths[0] / np.sqrt(20), rel=0.3)


def test_states_that_a_longer_lag_does_not_connect_are_left_out() -> None:
    matrix, weights = chain()
    counts = counts_of(matrix, weights)
    counts[1][3] = counts[1][:, 3] = 0.0
    counts[2] = 0.0
    found = chapman_kolmogorov(counts, MULTIPLES, metastable_sets(counts[0], 2), nothing(4))
    assert np.isfinite(found.estimated[:2]).all()
    assert np.isnan(found.estimated[2]).all()


def test_what_cannot_be_tested_is_refused() -> None:
    counts = counts_of(*chain())
    with pytest.raises(ValueError, match="metastable sets"):
        metastable_sets(counts[0], 5)
    with pytest.raises(ValueError, match="begin with 1"):
        chapman_kolmogorov(counts, (2, 3, 4), np.ones((4, 1)), nothing(4))
    with pytest.raises(ValueError, match="two connected states"):
        chapman_kolmogorov(np.zeros((3, 4, 4)), MULTIPLES, np.ones((4, 1)), nothing(4))
