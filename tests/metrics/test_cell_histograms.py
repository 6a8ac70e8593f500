"""Distances and medians on shared cells."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from backmapbench.metrics.histograms import cell_median, cell_wasserstein, centres, count, wasserstein

VALUES = st.lists(st.floats(-50, 50), min_size=1, max_size=60)


@given(VALUES, VALUES)
def test_is_the_distance_of_the_cell_centres(x: list[float], y: list[float]) -> None:
    left, right = (count(np.array(values), 0.25, 480, -60.0) for values in (x, y))
    expected = wasserstein(*centres(left, 0.25, -60.0), *centres(right, 0.25, -60.0))
    assert cell_wasserstein(left, right, 0.25) == pytest.approx(expected, abs=1e-12)
    assert expected == pytest.approx(wasserstein_distance(x, y), abs=0.25)


def test_empty_histograms_have_no_distance_and_no_median() -> None:
    empty, one = count(np.empty(0), 1.0, 10), count(np.array([3.2]), 1.0, 10)
    assert np.isnan(cell_wasserstein(empty, one, 1.0))
    assert np.isnan(cell_wasserstein(one, empty, 1.0))
    assert np.isnan(cell_median(empty, 1.0))


@given(VALUES)
def test_median_cell_holds_the_median(values: list[float]) -> None:
    lower = np.sort(values)[(len(values) - 1) // 2]
    assert cell_median(count(np.array(values), 0.25, 480, -60.0), 0.25, -60.0) == pytest.approx(lower, abs=0.126)
