"""Reversible Markov state models from transition counts: point estimate, remembered by content."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from backmapbench.metrics.reversible import reversible_transition_matrix

SLOWEST = 16  # processes kept: far more than are ever slower than the lag, and small enough to remember thousands
REMEMBERED = 4096  # models; about 15 kB each at 100 states
LARGEST_EIGENVALUE = 1 - 1e-12  # rounding must not turn a nearly closed set into an infinite or negative time


@dataclass(frozen=True, eq=False)
class MarkovModel:
    """Reversible model on the largest strongly connected set, given over all states.

    Attributes:
        stationary: (states,), sums to 1; 0 outside the connected set (all 0 when there are no counts).
        eigenvalues: (processes,), decreasing, without the stationary one; at most 16.
        right: right eigenvectors (processes, states), norm 1 in the stationary inner product; 0 outside the set.
    """

    stationary: NDArray[np.float64]
    eigenvalues: NDArray[np.float64]
    right: NDArray[np.float64]

    @property
    def left(self) -> NDArray[np.float64]:
        """Left eigenvectors (processes, states): stationary distribution times right eigenvectors."""
        return self.stationary * self.right

    def timescales(self, lag: float) -> NDArray[np.float64]:
        """Implied timescales -lag / ln(eigenvalue), (processes,), in the unit of ``lag``, decreasing.

        NaN for an eigenvalue of 0 or less, which is no relaxation.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            times = -lag / np.log(np.minimum(self.eigenvalues, LARGEST_EIGENVALUE))
        return np.where(self.eigenvalues > 0, times, np.nan)


_models: OrderedDict[bytes, MarkovModel] = OrderedDict()


def estimate(counts: NDArray[np.floating]) -> MarkovModel:
    """Maximum-likelihood reversible model of sliding ``counts`` (states, states); they need not be whole numbers.

    Equal counts are estimated once: bootstrap replicates of one board share their reference. Treat the result as
    read-only.
    """
    exact: NDArray[np.float64] = np.ascontiguousarray(counts, dtype=np.float64)
    key = hashlib.blake2b(exact.tobytes(), digest_size=16).digest()
    model = _models.get(key)
    if model is None:
        model = _models[key] = _estimate(exact)
        if len(_models) > REMEMBERED:
            _models.popitem(last=False)
    else:
        _models.move_to_end(key)
    return model


def largest_connected_set(counts: NDArray[np.floating]) -> NDArray[np.intp]:
    """States of the largest strongly connected set in increasing order; of equally large ones that with more counts.

    Empty when no transition was counted.
    """
    # As a sparse graph: scipy takes longer to look for gaps in a dense one than to search it.
    count, labels = connected_components(sparse.csr_array(counts > 0), directed=True, connection="strong")
    sizes = np.bincount(labels, minlength=count)
    inside = np.where(labels[:, None] == labels[None, :], counts, 0.0).sum(axis=1)
    totals = np.bincount(labels, weights=inside, minlength=count)
    best = np.lexsort((totals, np.where(totals > 0, sizes, 0)))[-1]
    return np.flatnonzero((labels == best) & (totals[best] > 0))


def _estimate(counts: NDArray[np.float64]) -> MarkovModel:
    active = largest_connected_set(counts)
    stationary = np.zeros(len(counts))
    if len(active) < 2:
        stationary[active] = 1.0
        return MarkovModel(stationary, np.empty(0), np.empty((0, len(counts))))
    matrix, weights = reversible_transition_matrix(counts[np.ix_(active, active)])
    stationary[active] = weights
    values, vectors = spectrum(matrix, weights)
    right = np.zeros((len(values) - 1, len(counts)))
    right[:, active] = vectors[:, 1:].T
    return MarkovModel(stationary, values[1 : SLOWEST + 1].copy(), right[:SLOWEST].copy())


def spectrum(
    matrix: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Eigenvalues, decreasing, and right eigenvectors as columns, of a reversible transition matrix.

    W^1/2 P W^-1/2 is symmetric when W is the stationary distribution, so a symmetric solver is exact and fast.
    """
    root = np.sqrt(weights)
    symmetric = root[:, None] * matrix / root
    values, vectors = np.linalg.eigh((symmetric + symmetric.T) / 2)
    return values[::-1], vectors[:, ::-1] / root[:, None]
