"""The interval rule: laws over any replicates, and cases worked out by hand."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from backmapbench.blocks import BLOCK_TIMES
from backmapbench.intervals import MINIMUM_REPLICATES, interval, squared_bias, tails, unbiased

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
@given(numbers, draws, st.integers(2, 100))
def test_fewer_blocks_are_never_narrower(value, replicates, blocks):
    narrow = interval(value, replicates, 0.95, False, 2 * blocks)
    wide = interval(value, replicates, 0.95, False, blocks)
    assert wide[0] <= narrow[0]
    assert narrow[1] <= wide[1]


@settings(deadline=None, max_examples=60)
@given(st.floats(0.1, 100.0), draws, st.floats(0.1, 10.0))
def test_another_unit_changes_nothing_but_the_unit(value, replicates, factor):
    plain = np.array(interval(value, replicates, 0.95, True, 30))
    scaled = interval(factor * value, factor * np.asarray(replicates), 0.95, True, 30)
    assert np.allclose(factor * plain, scaled, rtol=1e-6, atol=1e-6 * factor * max(replicates))


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


def test_bias_is_taken_off_the_square_of_a_distance():
    """Squares 0, 1, ..., 100 have mean 50 and percentiles 2.5 and 97.5; the value's is 20, so the bias is 30."""
    replicates = np.sqrt(np.arange(101.0))
    low, high = interval(20**0.5, replicates, 0.95, distance=True)
    assert low == 0
    # the quantile interpolates between roots, not squares
    assert high == pytest.approx((np.quantile(replicates, 0.975) ** 2 - 30) ** 0.5)
    assert squared_bias(20**0.5, replicates) == pytest.approx(30)
    assert unbiased(20**0.5, replicates) == 0
    assert unbiased(40**0.5, replicates) == pytest.approx(30**0.5)


def test_replicates_below_the_value_are_no_bias():
    assert squared_bias(5.0, np.full(50, 4.0)) == 0
    assert unbiased(5.0, np.full(50, 4.0)) == 5


def test_the_lower_bound_loses_the_bias_twice_and_the_upper_once():
    """A distance of norm 10 in many dimensions with noise of norm 3 on data and again on replicates: truth sqrt(91)."""
    rng = np.random.default_rng(0)
    squares = 100 + 9 + rng.normal(0.0, 1.0, 20_000)
    low, high = interval(10.0, np.sqrt(squares), 0.95, distance=True)
    assert low == pytest.approx((100 - 9 - 1.96) ** 0.5, abs=0.01)
    assert high == pytest.approx((100 + 1.96) ** 0.5, abs=0.01)
    assert low < 91**0.5 < high


def test_student_tails_for_few_blocks():
    assert tails(0.95) == pytest.approx((0.025, 0.975))
    for blocks in (5, 20, 60):
        outside = tails(0.95, blocks)[0]
        expected = scipy.stats.norm.cdf(
            scipy.stats.t.ppf(0.025, blocks - 1) / np.sqrt((1 - 1 / blocks) * (1 - 1 / BLOCK_TIMES))
        )
        assert outside == pytest.approx(expected, rel=1e-9)
    assert tails(0.95, 5)[0] < tails(0.95, 60)[0] < 0.025


def test_one_block_says_nothing():
    assert all(math.isnan(bound) for bound in interval(1.0, np.ones(100), 0.95, True, blocks=1))


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
