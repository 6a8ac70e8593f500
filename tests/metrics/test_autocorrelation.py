from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from backmapbench.metrics.autocorrelation import autocorrelation_times, autocovariance, lagged_sums


def wrapped_walk(frames: int, series: int, decay: float, seed: int) -> NDArray[np.float64]:
    """Angles that keep their value with chance ``decay`` per frame and are drawn anew (three basins) otherwise.

    The autocorrelation of any function of such a telegraph is decay**k: the integrated time is
    1/2 + decay / (1 - decay) frames.
    """
    rng = np.random.default_rng(seed)
    fresh = rng.choice([-2.0, 0.3, 2.2], size=(frames, series))
    renewed = rng.random((frames, series)) >= decay
    renewed[0] = True
    last = np.maximum.accumulate(np.where(renewed, np.arange(frames)[:, None], 0), axis=0)
    return np.take_along_axis(fresh, last, axis=0)


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9, 0.97])
def test_known_time_is_recovered(decay: float) -> None:
    angles = wrapped_walk(40_000, 4, decay, 1)
    times = autocorrelation_times(lagged_sums(angles, 0, 400), 0.5)
    np.testing.assert_allclose(times, 0.5 * (0.5 + decay / (1 - decay)), rtol=0.15)


def test_complex_ornstein_uhlenbeck_angles() -> None:
    # Small angles: exp(i theta) - mean is i theta to first order, so tau is that of the AR(1) process theta itself.
    rng = np.random.default_rng(2)
    theta = np.zeros((60_000, 3))
    for step in range(1, len(theta)):
        theta[step] = 0.95 * theta[step - 1] + 0.01 * rng.normal(size=3)
    times = autocorrelation_times(lagged_sums(theta, 0, 300), 1.0)
    np.testing.assert_allclose(times, 0.5 + 0.95 / 0.05, rtol=0.15)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 40), st.integers(1, 12), st.integers(0, 1000))
def test_sums_are_those_of_the_definition(frames: int, maximum: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    angles = rng.uniform(-np.pi, np.pi, (frames, 2))
    angles[rng.random(angles.shape) < 0.2] = np.nan
    lead = int(rng.integers(0, frames))
    found = lagged_sums(angles, lead, maximum)
    z = np.exp(1j * angles)
    for series in range(2):
        for lag in range(maximum + 1):
            pairs = [
                (z[t, series], z[t - lag, series])
                for t in range(max(lead, lag), frames)
                if np.isfinite(angles[[t, t - lag], series]).all()
            ]
            ends = sum(a + b for a, b in pairs)
            assert found["pairs"][series, lag] == len(pairs)
            products = sum((a * b.conjugate()).real for a, b in pairs)
            assert found["products"][series, lag] == pytest.approx(products, abs=1e-9)
            assert found["ends"][series, lag] == pytest.approx([np.real(ends), np.imag(ends)], abs=1e-9)


def test_covariance_uses_the_mean_of_all_frames() -> None:
    angles = wrapped_walk(500, 2, 0.8, 3)
    z = np.exp(1j * angles)
    centred = z - z.mean(axis=0)
    expected = [(centred[lag:] * centred[: len(z) - lag].conj()).mean(axis=0).real for lag in range(21)]
    np.testing.assert_allclose(autocovariance(lagged_sums(angles, 0, 20)), np.transpose(expected), atol=1e-12)


def test_adding_a_constant_angle_changes_nothing() -> None:
    angles = wrapped_walk(3000, 3, 0.9, 4)
    times = [autocorrelation_times(lagged_sums(angles + shift, 0, 100), 1.0) for shift in (0.0, 1.3)]
    np.testing.assert_allclose(times[0], times[1], rtol=1e-9)


def test_frozen_and_undefined_series_have_no_time() -> None:
    angles = np.stack([np.full(100, 0.7), np.full(100, np.nan), wrapped_walk(100, 1, 0.5, 0)[:, 0]], axis=1)
    angles[:, 0] += 1e-7 * np.random.default_rng(0).normal(size=100)  # what float32 leaves of a rigid torsion
    assert np.isnan(autocorrelation_times(lagged_sums(angles, 0, 10), 1.0)).tolist() == [True, True, False]


def test_times_stay_within_half_a_frame_and_the_largest_lag() -> None:
    alternating = np.tile([[0.0], [2.0]], (100, 1))
    drift = np.linspace(0, 1, 200)[:, None]
    assert autocorrelation_times(lagged_sums(alternating, 0, 20), 2.0) == 1.0
    assert autocorrelation_times(lagged_sums(drift, 0, 20), 2.0) <= 40.0


def test_a_series_shorter_than_the_lag_still_has_a_time() -> None:
    assert np.isfinite(autocorrelation_times(lagged_sums(wrapped_walk(15, 2, 0.5, 1), 0, 40), 1.0)).all()
