"""Reversible Markov state models from transition counts: point estimate, remembered by content, and posterior."""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

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
    values, vectors = _spectrum(matrix, weights)
    right = np.zeros((len(values) - 1, len(counts)))
    right[:, active] = vectors[:, 1:].T
    return MarkovModel(stationary, values[1 : SLOWEST + 1].copy(), right[:SLOWEST].copy())


def _spectrum(
    matrix: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Eigenvalues, decreasing, and right eigenvectors as columns, of a reversible transition matrix.

    W^1/2 P W^-1/2 is symmetric when W is the stationary distribution, so a symmetric solver is exact and fast.
    """
    root = np.sqrt(weights)
    symmetric = root[:, None] * matrix / root
    values, vectors = np.linalg.eigh((symmetric + symmetric.T) / 2)
    return values[::-1], vectors[:, ::-1] / root[:, None]


def bayesian_timescales(
    counts: NDArray[np.floating], lag_ps: float, samples: int, seed: int, processes: int, *, lag_frames: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Posterior mean and 95 % interval of the slowest timescales, for display: three arrays (processes,), ps.

    Reversible Gibbs sampler of Trendelkamp-Schroer et al., J. Chem. Phys. 143, 174101 (2015), as in deeptime, on
    effective counts. Effective counts proper need the
    trajectories; here sliding counts are divided by the lag in frames, the number of independent windows they came
    from, which is right where states are left within about a lag and too optimistic where they are held longer. NaN
    for processes that the connected set does not have.

    Args:
        counts: sliding counts (states, states), summed over blocks.
        lag_ps: lag, ps.
        samples: transition matrices drawn.
        seed: the same seed gives the same interval.
        processes: how many timescales.
        lag_frames: lag in frames.
    """
    # Imported here: deeptime takes a second, and only pictures need it.
    from deeptime.markov.tools.estimation.dense.tmat_sampling.tmatrix_sampler import TransitionMatrixSampler

    active = largest_connected_set(counts)
    found = np.full((samples, processes), np.nan)
    if len(active) > 1:
        effective = np.ascontiguousarray(np.asarray(counts, dtype=np.float64)[np.ix_(active, active)] / lag_frames)
        start, _ = reversible_transition_matrix(effective)
        steps = math.isqrt(len(active))  # sweeps between samples: deeptime's rule for decorrelation
        sampler = TransitionMatrixSampler(effective, reversible=True, P0=start, n_steps=steps, seed=seed)
        for row in found:
            times = _sampled_timescales(sampler, lag_ps)[:processes]
            row[: len(times)] = times
    defined = np.isfinite(found).all(axis=0)
    mean, low, high = np.full((3, processes), np.nan)
    mean[defined] = found[:, defined].mean(axis=0)
    low[defined], high[defined] = np.percentile(found[:, defined], [2.5, 97.5], axis=0)
    return mean, low, high


def _sampled_timescales(sampler: Any, lag_ps: float) -> NDArray[np.float64]:
    matrix, weights = sampler.sample(return_statdist=True)
    values, vectors = _spectrum(matrix, weights)
    return MarkovModel(weights, values[1:], vectors[:, 1:].T).timescales(lag_ps)
