"""Maximum-likelihood reversible transition matrix by Newton's method.

The likelihood of counts c_ij under detailed balance is stationary where x_ij = s_ij / (l_i + l_j), with
s_ij = c_ij + c_ji, c_i = sum_j c_ij and l_i = c_i / x_i (Bowman et al., J. Chem. Phys. 131, 124101 (2009)). With
l_i = exp(a_i) that reads c_i = sum_j s_ij / (1 + exp(a_j - a_i)): the likelihood equations of a Bradley-Terry model in
which i beats j c_ij times, whose log-likelihood is concave in a (Hunter, Ann. Stat. 32, 384 (2004)) and has one maximum
on a strongly connected set. The usual fixed-point iteration creeps where two basins are joined by a few counts: on 100
states of alanine dipeptide it takes 3 ms when they are well joined and 1 to 3 s when one transition joins two basins;
Newton's method takes 1 to 5 ms either way.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.special import expit

PRECISION = 1e-10  # of ln(stationary probability); convergence is quadratic, so the last step leaves far less
MAXIMUM_STEPS = 200


def reversible_transition_matrix(counts: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Transition matrix (states, states) and stationary distribution (states,) of strongly connected ``counts``.

    Raises ValueError when the counts are not strongly connected (there is no maximum), ArithmeticError when it is not
    found, which finite counts never caused.
    """
    counts = np.asarray(counts, dtype=np.float64)
    if connected_components(sparse.csr_array(counts > 0), connection="strong", return_labels=False) > 1:
        raise ValueError("counts are not strongly connected; restrict them to one connected set first")
    pairs, rows = counts + counts.T, counts.sum(axis=1)
    log_rates = np.log(2 * rows / pairs.sum(axis=1))  # that of the symmetrised counts
    likelihood = _log_likelihood(counts, log_rates)
    for _ in range(MAXIMUM_STEPS):
        step = _newton_step(pairs, rows, log_rates)
        if np.abs(step).max() < PRECISION:
            return _matrix(pairs, log_rates + step)
        for _ in range(MAXIMUM_STEPS):
            trial = _log_likelihood(counts, log_rates + step)
            if trial >= likelihood - 1e-14 * abs(likelihood):  # equal to rounding: the last steps change nothing else
                break
            step = step / 2
        log_rates, likelihood = log_rates + step, trial
    raise ArithmeticError(f"no reversible transition matrix after {MAXIMUM_STEPS} Newton steps; are all counts finite?")


def _newton_step(
    pairs: NDArray[np.float64], rows: NDArray[np.float64], log_rates: NDArray[np.float64]
) -> NDArray[np.float64]:
    wins = expit(log_rates[:, None] - log_rates)
    gradient = rows - (pairs * wins).sum(axis=1)
    weights = pairs * wins * wins.T
    np.fill_diagonal(weights, 0.0)
    laplacian = np.diag(weights.sum(axis=1)) - weights
    # A common shift of all log rates changes nothing; the constant keeps the shift at zero and the matrix regular.
    step: NDArray[np.float64] = np.linalg.solve(laplacian + weights.sum() / len(weights) ** 2, gradient)
    return step


def _log_likelihood(counts: NDArray[np.floating], log_rates: NDArray[np.float64]) -> float:
    return float(-(counts * np.logaddexp(0.0, log_rates - log_rates[:, None])).sum())


def _matrix(
    pairs: NDArray[np.float64], log_rates: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rates = np.exp(log_rates - log_rates.max())
    flux = pairs / (rates[:, None] + rates)
    total = flux.sum(axis=1)
    return flux / total[:, None], total / total.sum()
