"""The interval rule: laws over any replicates, and cases worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backmapbench.intervals import MINIMUM_REPLICATES, interval

numbers = st.floats(0.0, 1e6)
draws = st.lists(numbers, min_size=MINIMUM_REPLICATES, max_size=80)


@settings(deadline=None, max_examples=60)
@given(numbers, draws, st.floats(0.5, 0.99), st.booleans())
def test_contains_the_value_and_is_ordered(value, replicates, confidence, distance):
    low, high = interval(value, replicates, confidence, distance)
    assert low <= value <= high
    assert low >= 0.0


@settings(deadline=None, max_examples=60)
@given(st.floats(-1e3, 1e3), draws)
def test_a_distance_interval_never_reaches_below_zero(value, replicates):
    low, _ = interval(abs(value), replicates, 0.95, distance=True)
    assert low >= 0.0


@settings(deadline=None, max_examples=60)
@given(numbers, draws, st.lists(st.sampled_from([math.nan, math.inf, -math.inf]), max_size=30))
def test_replicates_that_are_not_finite_are_ignored(value, replicates, junk):
    assert interval(value, replicates + junk, 0.95, False) == interval(value, replicates, 0.95, False)


@settings(deadline=None, max_examples=60)
@given(draws, st.floats(0.0, 1e3))
def test_a_shift_of_the_replicates_does_not_move_a_distance_interval(replicates, shift):
    plain = interval(5.0, replicates, 0.9, distance=True)
    moved = interval(5.0, np.asarray(replicates) + shift, 0.9, distance=True)
    assert np.allclose(plain, moved, rtol=1e-6, atol=1e-6)


@settings(deadline=None, max_examples=60)
@given(draws)
def test_more_confidence_is_never_narrower(replicates):
    value = float(np.median(replicates))
    narrow, wide = interval(value, replicates, 0.6, False), interval(value, replicates, 0.95, False)
    assert wide[0] <= narrow[0]
    assert narrow[1] <= wide[1]


def test_percentiles_of_a_known_sample():
    low, high = interval(50.0, np.arange(101.0), 0.95, distance=False)
    assert (low, high) == pytest.approx((2.5, 97.5))


def test_bias_is_taken_off_a_distance():
    replicates = np.arange(101.0) / 10  # mean 5, value 1: bias 4
    assert interval(1.0, replicates, 0.95, distance=True) == pytest.approx((0.0, 5.75))


def test_an_exact_zero_stays_a_point():
    assert interval(0.0, np.zeros(500), 0.95, distance=True) == (0.0, 0.0)
    assert interval(0.0, np.zeros(500), 0.95, distance=False) == (0.0, 0.0)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_no_interval_without_a_value(value):
    assert all(math.isnan(bound) for bound in interval(value, np.ones(100), 0.95, False))


def test_no_interval_from_too_few_replicates():
    few = np.r_[np.ones(MINIMUM_REPLICATES - 1), np.full(400, np.nan)]
    assert all(math.isnan(bound) for bound in interval(1.0, few, 0.95, True))


def test_confidence_must_be_a_share():
    with pytest.raises(ValueError, match="95"):
        interval(1.0, np.ones(100), 95.0, False)
