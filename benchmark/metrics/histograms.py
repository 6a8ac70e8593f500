"""Sparse histograms on an unbounded grid, and distances between them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

DENSE_SPAN = 8
"""Cells of a span per occupied cell up to which a sum over all of them is the faster one."""
COUNTED_CELLS_PER_VALUE = 16  # up to here counting every cell is cheaper than sorting the values


def count(values: NDArray[np.floating], width: float, bins: int, lowest: float = 0.0) -> sparse.csr_array:
    """Counts of ``values`` in ``bins`` cells of ``width`` from ``lowest``, as a sparse row (1, bins).

    Values outside count in the first or last cell; NaN counts in the last.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.floor((np.asarray(values, dtype=np.float64).ravel() - lowest) / width)
    scaled = np.where(np.isnan(scaled), bins - 1, np.clip(scaled, 0, bins - 1)).astype(np.int64)
    if bins <= COUNTED_CELLS_PER_VALUE * len(scaled):
        every = np.bincount(scaled, minlength=bins)
        cells = np.flatnonzero(every)
        counts = every[cells]
    else:
        cells, counts = np.unique(scaled, return_counts=True)
    rows = np.zeros(len(cells), dtype=np.int32)
    return sparse.csr_array((counts.astype(np.float64), (rows, cells)), shape=(1, bins))


def centres(
    histogram: sparse.csr_array, width: float, lowest: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Occupied cell centres and their counts, in increasing order of the centres."""
    row = sparse.csr_array(histogram)
    order = np.argsort(row.indices)
    return lowest + (row.indices[order] + 0.5) * width, row.data[order]


def wasserstein(x: ArrayLike, x_weights: ArrayLike, y: ArrayLike, y_weights: ArrayLike) -> float:
    """Wasserstein-1 distance of two weighted point sets (any order); NaN if either has no weight.

    W1 = integral |F_x - F_y|, as scipy.stats.wasserstein_distance.
    """
    from scipy.stats import wasserstein_distance

    a, b = np.asarray(x_weights, dtype=float), np.asarray(y_weights, dtype=float)
    if a.sum() <= 0 or b.sum() <= 0:
        return float("nan")
    return float(wasserstein_distance(np.asarray(x), np.asarray(y), a, b))


def jensen_shannon_rows(p: NDArray[np.floating], q: NDArray[np.floating]) -> NDArray[np.float64]:
    """Square root of the base-2 Jensen-Shannon divergence of each row of two arrays (..., cells): (...), in [0, 1].

    Rows are histograms, each with some count, and are normalised here.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        p, q = p / p.sum(axis=-1, keepdims=True), q / q.sum(axis=-1, keepdims=True)
        m = (p + q) / 2
        terms = np.where(p > 0, p * np.log2(p / m), 0.0) + np.where(q > 0, q * np.log2(q / m), 0.0)
    distances: NDArray[np.float64] = np.sqrt(np.maximum(0.0, terms.sum(axis=-1) / 2))
    return distances


def jensen_shannon(p: NDArray[np.floating], q: NDArray[np.floating]) -> float:
    """``jensen_shannon_rows`` of two histograms (cells,)."""
    return float(jensen_shannon_rows(p, q))


def cell_wasserstein(x: sparse.csr_array, y: sparse.csr_array, width: float) -> float:
    """Wasserstein-1 distance of two histograms (1, bins) on the same cells of ``width``; NaN if either is empty.

    The integral |F_x - F_y| over occupied cells: ``wasserstein`` of the cell centres, without sorting them again. Where
    most cells of the span are occupied, as of pooled lengths and angles, all are summed, which is faster by far.
    """
    if x.nnz == 0 or y.nnz == 0 or x.data.sum() <= 0 or y.data.sum() <= 0:
        return float("nan")
    lowest = min(int(x.indices.min()), int(y.indices.min()))
    span = max(int(x.indices.max()), int(y.indices.max())) - lowest + 1
    if span <= DENSE_SPAN * (x.nnz + y.nnz):
        found, expected = (np.bincount(each.indices - lowest, each.data / each.data.sum(), span) for each in (x, y))
        return float(width * np.abs(np.cumsum(found - expected)).sum())
    difference = sparse.csr_array(_shares(x) - _shares(y))
    difference.sort_indices()
    gaps = np.diff(difference.indices)
    return float(width * (np.abs(np.cumsum(difference.data)[:-1]) * gaps).sum())


def _shares(histogram: sparse.csr_array) -> sparse.csr_array:
    """A histogram divided by its sum."""
    row = sparse.csr_array(histogram)
    # scipy multiplies by 1 / sum, so that counts and three times these counts would differ in the last bit.
    return sparse.csr_array((row.data / row.data.sum(), row.indices, row.indptr), shape=row.shape)


def cell_median(histogram: sparse.csr_array, width: float, lowest: float = 0.0) -> float:
    """Centre of the cell that holds the median (the lower one of two); NaN for an empty histogram."""
    cells, weights = centres(histogram, width, lowest)
    if weights.sum() <= 0:
        return float("nan")
    return float(cells[np.searchsorted(np.cumsum(weights), weights.sum() / 2)])
