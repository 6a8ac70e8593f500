"""Posterior of reversible Markov models, for the intervals of pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backmapbench.metrics.markov_model import MarkovModel, largest_connected_set, spectrum
from backmapbench.metrics.reversible import reversible_transition_matrix

INTERVAL = (2.5, 97.5)
"""Percentiles of a 95 % interval."""


@dataclass(frozen=True, eq=False)
class Posterior:
    """Reversible transition matrices drawn from the posterior of some counts.

    Attributes:
        active: the states that they are over, the largest connected set: (active,).
        matrices: (samples, active, active).
        stationary: (samples, active).
    """

    active: NDArray[np.intp]
    matrices: NDArray[np.float64]
    stationary: NDArray[np.float64]

    def timescales(self, lag_ps: float, processes: int) -> NDArray[np.float64]:
        """The slowest implied timescales of each sample, (samples, processes), ps; NaN where there is none."""
        found = np.full((len(self.matrices), processes), np.nan)
        for row, matrix, weights in zip(found, self.matrices, self.stationary, strict=True):
            values, vectors = spectrum(matrix, weights)
            times = MarkovModel(weights, values[1:], vectors[:, 1:].T).timescales(lag_ps)[:processes]
            row[: len(times)] = times
        return found


def draw_posterior(counts: NDArray[np.floating], samples: int, seed: int, *, lag_frames: int) -> Posterior:
    """Draw from the posterior of the reversible model of sliding ``counts`` (states, states); none without counts.

    Reversible Gibbs sampler of Trendelkamp-Schroer et al., J. Chem. Phys. 143, 174101 (2015), as in deeptime, on
    effective counts. Effective counts proper need the trajectories; here sliding counts are divided by the lag in
    frames, the number of independent windows they came from, which is right where states are left within about a lag
    and too optimistic where they are held longer. The same seed gives the same samples.
    """
    # Imported here: deeptime takes a second, and only pictures need it.
    from deeptime.markov.tools.estimation.dense.tmat_sampling.tmatrix_sampler import TransitionMatrixSampler

    active = largest_connected_set(counts)
    size = len(active)
    if size < 2:
        return Posterior(active, np.empty((0, size, size)), np.empty((0, size)))
    effective = np.ascontiguousarray(np.asarray(counts, dtype=np.float64)[np.ix_(active, active)] / lag_frames)
    start, _ = reversible_transition_matrix(effective)
    steps = math.isqrt(size)  # sweeps between samples: deeptime's rule for decorrelation
    sampler = TransitionMatrixSampler(effective, reversible=True, P0=start, n_steps=steps, seed=seed)
    drawn = [sampler.sample(return_statdist=True) for _ in range(samples)]
    return Posterior(active, np.stack([matrix for matrix, _ in drawn]), np.stack([weights for _, weights in drawn]))


def bayesian_timescales(
    posterior: Posterior, lag_ps: float, processes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Posterior mean and 95 % interval of the slowest timescales, for display: three arrays (processes,), ps.

    NaN for processes that the connected set does not have.
    """
    found = posterior.timescales(lag_ps, processes)
    defined = np.isfinite(found).all(axis=0) & (len(found) > 0)
    mean, low, high = np.full((3, processes), np.nan)
    if defined.any():
        mean[defined] = found[:, defined].mean(axis=0)
        low[defined], high[defined] = np.percentile(found[:, defined], INTERVAL, axis=0)
    return mean, low, high
