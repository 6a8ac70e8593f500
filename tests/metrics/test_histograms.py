"""Fine histograms and distances between rows of them: numpy as oracle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from backmapbench.metrics.histograms import count, jensen_shannon, jensen_shannon_rows


@given(seed=st.integers(0, 2**32 - 1), values=st.integers(0, 300), bins=st.integers(1, 2000))
def test_counting_cells_and_sorting_values_agree_with_numpy(seed: int, values: int, bins: int) -> None:
    drawn = np.random.default_rng(seed).normal(0.5, 0.4, values)
    found = count(drawn, 1 / 64, bins).toarray()[0]
    cells = np.clip(np.floor(drawn * 64), 0, bins - 1).astype(int)
    assert found.tolist() == np.bincount(cells, minlength=bins).tolist()


def test_nan_counts_in_the_last_cell_and_outside_in_the_nearest() -> None:
    for bins in (10, 10_000):  # counted and sorted
        found = count(np.array([np.nan, np.inf, -np.inf, -3.0, 0.5]), 1.0, bins).toarray()[0]
        assert (found[0], found[-1], found.sum()) == (3.0, 2.0, 5.0)


@given(seed=st.integers(0, 2**32 - 1))
def test_rows_are_distances_as_scipy_has_them(seed: int) -> None:
    p, q = np.random.default_rng(seed).integers(0, 4, size=(2, 5, 9)) + 0.5 * np.eye(9)[:5]
    expected = [jensenshannon(a, b, base=2) for a, b in zip(p, q, strict=True)]
    assert jensen_shannon_rows(p, q) == pytest.approx(expected)
    assert jensen_shannon(p[0], q[0]) == pytest.approx(expected[0])
