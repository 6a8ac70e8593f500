import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backmapbench.board.boards import Cell
from backmapbench.board.numbers import cell_text, seconds


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (0.1234, 0.1101, 0.1398, "0.123 [0.110, 0.140]"),
        (0.0, 0.0, 0.0, "0 [0, 0]"),
        (0.0, 0.0, 0.0213, "0 [0, 0.021]"),
        (9999.7, 9997.6, 10000.8, "10000 [9998, 10001]"),
        (0.86589, 0.86562, 0.86614, "0.866 [0.866, 0.866]"),
        (4.6e-8, 4.2e-8, 5.6e-8, "4.6e-08 [4.2e-08, 5.6e-08]"),
        (1.1, 0.1, 3.2, "1.1 [0.1, 3.2]"),
        (-0.04, -0.05, 0.03, "-0.040 [-0.050, 0.030]"),
        (2.5, math.nan, math.nan, "2.50"),
        (100.0, 100.0, 100.0, "100 [100, 100]"),
        (0.008, 0.0001, 2.9, "0.008 [0.000, 2.90]"),
    ],
)
def test_digits_follow_the_interval(value, low, high, text):
    assert cell_text(Cell("ok", value, low, high)) == text


@pytest.mark.parametrize(("status", "text"), [("failed", "failed"), ("no pair", "no pair"), ("not scored", "—")])
def test_other_states_are_words(status, text):
    assert cell_text(Cell(status)) == text


@settings(deadline=None, max_examples=60)
@given(st.floats(0.0, 1e6), st.floats(0.0, 1e3), st.floats(0.0, 1e3))
def test_shown_numbers_are_near_the_true_ones(value, below, above):
    shown = cell_text(Cell("ok", value, value - below, value + above))
    assert float(shown.split(" [")[0]) == pytest.approx(value, abs=max(0.006 * value, 0.06 * (below + above), 1e-4))


@pytest.mark.parametrize(("value", "text"), [(12.34, "12.3 s"), (0.0025, "2.5 ms"), (3e-5, "30 µs"), (0.0, "0 s")])
def test_durations_have_units(value, text):
    assert seconds(value) == text
