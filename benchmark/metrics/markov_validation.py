"""Whether a Markov model holds beyond its lag: implied timescales by lag, and the Chapman-Kolmogorov test.

Prinz et al., J. Chem. Phys. 134, 174105 (2011). For pictures only: no score depends on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backmapbench.metrics.markov_model import estimate, largest_connected_set
from backmapbench.metrics.posterior import INTERVAL, Posterior
from backmapbench.metrics.reversible import reversible_transition_matrix


def timescales_by_lag(counts: NDArray[np.floating], lags_ps: Sequence[float], processes: int) -> NDArray[np.float64]:
    """The slowest implied timescales of ``counts`` (lags, states, states) at each lag: (lags, processes), ps.

    NaN where the model at a lag has no such process. A Markov model is trusted from the lag on from which they are
    constant.
    """
    found = np.full((len(counts), processes), np.nan)
    for row, each, lag in zip(found, counts, lags_ps, strict=True):
        times = estimate(each).timescales(lag)[:processes]
        row[: len(times)] = times
    return found


def metastable_sets(counts: NDArray[np.floating], sets: int) -> NDArray[np.float64]:
    """Membership of every state in each of ``sets`` metastable sets, (states, sets), rows adding up to 1.

    PCCA+ (Roeblitz and Weber, Adv. Data Anal. Classif. 7, 147 (2013)) of the model of ``counts`` (states, states); 0
    for states outside its connected set. Raises ValueError when that has fewer states than sets.
    """
    from deeptime.markov import pcca  # takes a second, and only pictures need it

    active = largest_connected_set(counts)
    if len(active) < sets:
        raise ValueError(f"{len(active)} connected states cannot form {sets} metastable sets")
    matrix, weights = reversible_transition_matrix(np.asarray(counts)[np.ix_(active, active)])
    found = np.zeros((len(counts), sets))
    found[active] = pcca(matrix, sets, stationary_distribution=weights).memberships
    return found


@dataclass(frozen=True, eq=False)
class ChapmanKolmogorov:
    """Chance to be in set B after k lags, starting in set A in equilibrium: what the model says and what was counted.

    Attributes:
        predicted: from the model at the lag, propagated k times: (multiples, sets, sets).
        low, high: 95 % interval of ``predicted`` from the model's posterior; NaN without samples.
        estimated: from a model at k lags: (multiples, sets, sets); NaN where there are no counts.
    """

    predicted: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    estimated: NDArray[np.float64]


def chapman_kolmogorov(
    counts: NDArray[np.floating], multiples: Sequence[int], memberships: NDArray[np.float64], posterior: Posterior
) -> ChapmanKolmogorov:
    """The test on ``memberships`` (states, sets) of ``counts`` (multiples, states, states) at k lags each.

    ``multiples`` begin with 1, whose model is the one tested; ``posterior`` is drawn from its counts. As deeptime's
    test: P(A -> B) = sum_i a_i (P chi_B)_i with a_i = pi_i chi_iA / sum_j pi_j chi_jA, pi of the tested model. Raises
    ValueError when its connected set has fewer than two states or ``multiples`` do not begin with 1.
    """
    active = largest_connected_set(counts[0])
    if len(active) < 2 or multiples[0] != 1:
        raise ValueError("the tested model needs two connected states and multiples that begin with 1")
    matrix, weights = reversible_transition_matrix(np.asarray(counts[0])[np.ix_(active, active)])
    chosen = memberships[active]
    samples = np.array([_propagated(each, own, chosen, multiples) for each, own in _samples(posterior)])
    low, high = np.full((2, len(multiples), *[memberships.shape[1]] * 2), np.nan)
    if len(samples):
        low, high = np.percentile(samples, INTERVAL, axis=0)
    estimated = [_estimated(each, active, weights, memberships) for each in counts]
    return ChapmanKolmogorov(_propagated(matrix, weights, chosen, multiples), low, high, np.array(estimated))


def _samples(posterior: Posterior) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    return list(zip(posterior.matrices, posterior.stationary, strict=True))


def _propagated(
    matrix: NDArray[np.float64],
    weights: NDArray[np.float64],
    memberships: NDArray[np.float64],
    multiples: Sequence[int],
) -> NDArray[np.float64]:
    """Chances between sets after k steps of ``matrix``: (multiples, sets, sets)."""
    return np.array([_between(np.linalg.matrix_power(matrix, k), weights, memberships) for k in multiples])


def _estimated(
    counts: NDArray[np.floating],
    active: NDArray[np.intp],
    weights: NDArray[np.float64],
    memberships: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The same after one step of the model of ``counts``, over those of the ``active`` states that it connects."""
    inside = np.zeros_like(np.asarray(counts, dtype=np.float64))
    inside[np.ix_(active, active)] = np.asarray(counts)[np.ix_(active, active)]
    states = largest_connected_set(inside)
    if len(states) < 2:
        return np.full([memberships.shape[1]] * 2, np.nan)
    matrix, _ = reversible_transition_matrix(inside[np.ix_(states, states)])
    return _between(matrix, weights[np.searchsorted(active, states)], memberships[states])


def _between(
    matrix: NDArray[np.float64], weights: NDArray[np.float64], memberships: NDArray[np.float64]
) -> NDArray[np.float64]:
    start = weights[:, None] * memberships
    total = start.sum(axis=0)
    start = np.divide(start, total, out=np.full_like(start, np.nan), where=total > 0)
    found: NDArray[np.float64] = start.T @ matrix @ memberships
    return found
