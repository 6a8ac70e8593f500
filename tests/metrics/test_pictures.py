"""Histograms for pictures, and the fine histograms below them: numpy as oracle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backmapbench.metrics.histograms import count, jensen_shannon, jensen_shannon_rows, picture


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


def test_densities_are_those_of_numpy() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(1.0, 0.1, 20_000), rng.normal(1.2, 0.05, 5_000)
    found = picture(count(x, 1e-3, 3000), count(y, 1e-3, 3000), 1e-3, "nm", 3, bins=40)
    assert (found.unit, found.weight) == ("nm", 3)
    assert len(found.reference) == len(found.prediction) == len(found.edges) - 1 <= 40
    widths = np.diff(found.edges)
    assert widths == pytest.approx(widths[0])
    for side, values in ((found.reference, x), (found.prediction, y)):
        # Cells start at multiples of 0.001, so only rounding at the edges differs.
        counts, _ = np.histogram(values, found.edges)
        assert side == pytest.approx(counts / (len(values) * widths[0]), abs=2e-3 * side.max())
        assert 0.99 < (side * widths).sum() <= 1.0 + 1e-12


def test_strays_do_not_flatten_a_picture() -> None:
    x = np.concatenate([np.full(100_000, 1.0005), [2.5]])
    found = picture(count(x, 1e-3, 3000), count(x, 1e-3, 3000), 1e-3, "nm", 1)
    assert found.edges == pytest.approx([1.0, 1.001])
    assert found.reference == pytest.approx([1e3], rel=1e-4)


def test_an_empty_side_is_an_empty_picture() -> None:
    x = count(np.array([0.5]), 0.1, 10)
    found = picture(x, count(np.zeros(0), 0.1, 10), 0.1, "nm", 1)
    assert found.prediction.tolist() == [0.0]
    assert found.reference == pytest.approx([10.0])


@given(seed=st.integers(0, 2**32 - 1))
def test_rows_are_single_distances(seed: int) -> None:
    p, q = np.random.default_rng(seed).integers(0, 4, size=(2, 5, 9)) + 0.5 * np.eye(9)[:5]
    assert jensen_shannon_rows(p, q) == pytest.approx([jensen_shannon(a, b) for a, b in zip(p, q, strict=True)])
