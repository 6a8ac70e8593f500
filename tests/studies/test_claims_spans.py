"""Verdicts from intervals: analytic cases, and the law that wider intervals can only take a verdict away."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backmapbench.studies.claims.spans import (
    CANNOT_TELL,
    NOT_UPHELD,
    UPHELD,
    Span,
    at_most,
    below,
    difference,
    every,
    hull,
    ratio,
)

NONE = Span(1.0, math.nan, math.nan)
sizes = st.floats(0.0, 1e3).map(lambda x: round(x, 3))


@st.composite
def spans(draw):
    low, value, high = sorted(draw(sizes) for _ in range(3))
    return Span(value, low, high)


@st.composite
def widened(draw):
    """A span, and one that contains it."""
    span = draw(spans())
    return span, Span(span.value, max(0.0, span.low - draw(sizes)), span.high + draw(sizes))


def weaker(before, after):
    return after in (before, CANNOT_TELL)


@pytest.mark.parametrize(
    ("left", "right", "verdict"),
    [
        (Span(1, 0.9, 1.1), Span(2, 1.5, 2.5), UPHELD),
        (Span(2, 1.5, 2.5), Span(1, 0.9, 1.1), NOT_UPHELD),
        (Span(1, 0.9, 1.6), Span(2, 1.5, 2.5), CANNOT_TELL),
        (Span(0, 0, 0), Span(0, 0, 0), NOT_UPHELD),
        (Span(1, 0.5, 1.5), Span(2, 1.5, 2.5), CANNOT_TELL),
        (Span(2, 1.5, 2.5), Span(1, 0.5, 1.5), NOT_UPHELD),
        (NONE, Span(2, 1.5, 2.5), CANNOT_TELL),
        (Span(1, 0.9, 1.1), NONE, CANNOT_TELL),
    ],
)
def test_below(left, right, verdict):
    assert below(left, right) == verdict


@pytest.mark.parametrize(
    ("span", "limit", "verdict"),
    [
        (Span(1, 0.5, 1.5), 1.5, UPHELD),
        (Span(1, 0.5, 1.5), 1.4, CANNOT_TELL),
        (Span(1, 0.5, 1.5), 0.5, CANNOT_TELL),
        (Span(1, 0.5, 1.5), 0.4, NOT_UPHELD),
        (NONE, 2.0, CANNOT_TELL),
        (Span(1, 0.5, 1.5), math.nan, CANNOT_TELL),
    ],
)
def test_at_most(span, limit, verdict):
    assert at_most(span, limit) == verdict


@given(widened(), widened())
def test_wider_intervals_only_take_a_verdict_away(left, right):
    assert weaker(below(left[0], right[0]), below(left[1], right[1]))


@given(widened(), sizes)
def test_a_wider_interval_says_no_more_of_a_limit(span, limit):
    assert weaker(at_most(span[0], limit), at_most(span[1], limit))


@given(widened(), widened(), sizes)
def test_a_floor_under_both_keeps_wider_intervals_from_saying_more(left, right, least):
    before, after = (below(left[i].at_least(least), right[i].at_least(least)) for i in (0, 1))
    assert weaker(before, after)


@given(widened(), widened(), widened(), widened())
def test_gains_from_wider_intervals_say_no_more(a, b, c, d):
    for gain in (ratio, difference):
        before, after = (below(gain(a[i], b[i]), gain(c[i], d[i])) for i in (0, 1))
        assert weaker(before, after)
    assert weaker(below(a[0], hull([b[0], c[0]])), below(a[1], hull([b[1], c[1]])))


@given(spans(), spans())
def test_nothing_is_both_below_and_above(left, right):
    if below(left, right) == UPHELD:
        assert below(right, left) == NOT_UPHELD
        assert left.value < right.value


@given(spans(), spans(), st.integers(0, 2**32 - 1))
def test_gains_contain_those_of_all_values_within_the_intervals(a, b, seed):
    rng = np.random.default_rng(seed)
    tops, bottoms = (rng.uniform(each.low, each.high, 20) for each in (a, b))
    least, most = difference(a, b).low, difference(a, b).high
    assert np.all((tops - bottoms >= least - 1e-9) & (tops - bottoms <= most + 1e-9))
    some = bottoms > 0
    found, gain = tops[some] / bottoms[some], ratio(a, b)
    assert np.all((found >= gain.low * (1 - 1e-9)) & (found <= gain.high * (1 + 1e-9)))


def test_ratios_at_zero():
    assert ratio(Span(2, 1, 3), Span(0, 0, 0)) == Span(math.inf, math.inf, math.inf)
    assert ratio(Span(2, 1, 3), Span(1, 0, 2)) == Span(2.0, 0.5, math.inf)
    nothing = ratio(Span(0, 0, 0), Span(0, 0, 0))
    assert (nothing.low, nothing.high) == (0.0, math.inf)
    assert math.isnan(nothing.value)
    assert not ratio(NONE, Span(1, 1, 1)).known


def test_hull_and_multiples():
    assert hull([Span(1, 0, 2), Span(5, 4, 7)]) == Span(3.0, 0, 7)
    assert not hull([Span(1, 0, 2), NONE]).known
    assert Span(1, 0.5, 2).times(10) == Span(10, 5, 20)


def test_every_is_the_conjunction_of_three_valued_logic():
    """Kleene's: the least of the truth values, not upheld < cannot tell < upheld."""
    order = [NOT_UPHELD, CANNOT_TELL, UPHELD]
    for three in product(order, repeat=3):
        assert every(three) == min(three, key=order.index)
    assert every([]) == CANNOT_TELL
