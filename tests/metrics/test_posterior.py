"""Posterior of Markov models: deeptime's own Bayesian estimator as oracle."""

from __future__ import annotations

import numpy as np
import pytest
from deeptime.markov.msm import BayesianMSM, MaximumLikelihoodMSM
from numpy.typing import NDArray

from backmapbench.metrics.posterior import bayesian_timescales, draw_posterior

CHAIN = np.array([[0.97, 0.02, 0.01], [0.02, 0.95, 0.03], [0.02, 0.06, 0.92]])


def sampled_counts(steps: int, lag: int) -> NDArray[np.float64]:
    """Sliding counts at ``lag`` of a trajectory of CHAIN."""
    rng, edges = np.random.default_rng(3), np.cumsum(CHAIN, axis=1)
    states = [0]
    for draw in rng.random(steps):
        states.append(int(np.searchsorted(edges[states[-1]], draw)))
    codes = np.array(states[:-lag]) * 3 + np.array(states[lag:])
    return np.bincount(codes, minlength=9).reshape(3, 3).astype(float)


def test_it_holds_the_truth_and_is_that_of_deeptime() -> None:
    exact = -1 / np.log(np.sort(np.linalg.eigvals(CHAIN).real)[::-1][1:])
    counts = sampled_counts(40_000, 4)
    mean, low, high = bayesian_timescales(draw_posterior(counts, 200, 1, lag_frames=4), 4.0, 3)
    assert np.isnan([mean[2], low[2], high[2]]).all()
    assert (low[:2] < exact).all()
    assert (exact < high[:2]).all()
    posterior = BayesianMSM(n_samples=200).fit_fetch(MaximumLikelihoodMSM().fit_fetch(counts / 4))
    expected = posterior.gather_stats("timescales", k=2)
    np.testing.assert_allclose(mean[:2], 4 * expected.mean, rtol=0.05)  # a bare matrix has a lag of one step
    np.testing.assert_allclose((high - low)[:2], 2 * 1.96 * 4 * expected.std, rtol=0.25)


def test_samples_are_reversible_and_the_same_for_a_seed() -> None:
    counts = np.zeros((5, 5))
    counts[1:4, 1:4] = sampled_counts(4000, 2)
    drawn, again = (draw_posterior(counts, 20, 7, lag_frames=2) for _ in range(2))
    assert drawn.active.tolist() == [1, 2, 3]
    np.testing.assert_array_equal(drawn.matrices, again.matrices)
    flux = drawn.stationary[:, :, None] * drawn.matrices
    np.testing.assert_allclose(flux, flux.swapaxes(1, 2), atol=1e-10)
    np.testing.assert_allclose(flux.sum(axis=(1, 2)), 1.0, atol=1e-10)


def test_it_narrows_with_data() -> None:
    widths = []
    for factor in (1, 16):
        posterior = draw_posterior(factor * sampled_counts(4000, 1), 200, 0, lag_frames=1)
        _, low, high = bayesian_timescales(posterior, 1.0, 1)
        widths.append(high[0] - low[0])
    assert widths[1] == pytest.approx(widths[0] / 4, rel=0.4)


def test_that_of_nothing_is_undefined() -> None:
    posterior = draw_posterior(np.zeros((3, 3)), 5, 0, lag_frames=1)
    assert np.isnan(bayesian_timescales(posterior, 1.0, 2)).all()
