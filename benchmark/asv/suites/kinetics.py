"""Markov models: what every bootstrap replicate, every chunk and every picture of kinetics costs."""

import numpy as np

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.metrics import Frames
from backmapbench.metrics.features import alpha_carbons
from backmapbench.metrics.markov_model import _estimate
from backmapbench.metrics.markov_validation import chapman_kolmogorov, metastable_sets
from backmapbench.metrics.posterior import draw_posterior
from backmapbench.metrics.tica import all_pairs, fit_tica
from backmapbench.tasks import load_task

from .structure import molecule

FRAMES = 2000


def counts(states, seed=0):
    """Sliding counts of a reversible chain on a ring with a bottleneck, as two basins of a peptide have."""
    rng = np.random.default_rng(seed)
    places = np.arange(states)
    apart = np.minimum(np.abs(places[:, None] - places), states - np.abs(places[:, None] - places))
    flux = np.exp(-apart / 2.0) * (1.0 + rng.random((states, states)))
    half = places < states // 2
    flux[np.ix_(half, ~half)] *= 1e-3
    flux = flux + flux.T
    flux[np.ix_(~half, half)] = flux[np.ix_(half, ~half)].T
    return rng.poisson(4e4 * flux / flux.sum()).astype(float)


class Model:
    """One maximum-likelihood reversible model, not remembered: a bootstrap has 500 of each side."""

    version = "1"
    params = [40, 100, 150]
    param_names = ["states"]

    def setup(self, states):
        self.counts = counts(states)

    def time_estimate(self, states):
        _estimate(self.counts)


class Pictures:
    """100 samples of the posterior, and the Chapman-Kolmogorov test with their interval."""

    version = "1"
    timeout = 300
    number = 1
    repeat = 2
    warmup_time = 0

    def setup(self):
        one = counts(100)
        self.counts = np.stack([one] * 5)
        self.posterior = draw_posterior(one, 100, 0, lag_frames=5)
        self.sets = metastable_sets(one, 2)

    def time_posterior(self):
        draw_posterior(self.counts[0], 100, 0, lag_frames=5)

    def time_chapman_kolmogorov(self):
        chapman_kolmogorov(self.counts, (1, 2, 3, 5, 10), self.sets, self.posterior)


class Chunk:
    """States and transitions of 2,000 frames at every lag that is counted."""

    version = "1"
    timeout = 300

    def setup(self):
        task = load_task("adp-mini-temporal")
        (self.fitted,) = task.metrics(["timescale_log_error"])
        self.positions = task.atoms(task.card.splits.scored).positions[None, :FRAMES]

    def time_statistics(self):
        self.fitted.describe(Frames(self.positions))  # a fresh object, so that nothing is cached


class Tica:
    """Time-lagged independent components of the 45 distances between ten CA atoms, 20,000 frames."""

    version = "1"
    timeout = 300
    number = 1
    repeat = 3

    def setup(self):
        topology, rest = molecule()
        self.carbons = alpha_carbons(topology)[:10]
        walk = np.random.default_rng(0).normal(scale=0.01, size=(20_000, *rest[:80].shape)).cumsum(axis=0)
        self.reference = Trajectories((rest[:80] + walk).astype(np.float32), (5_000,) * 4, 100.0)

    def time_fit(self):
        fit_tica(self.reference, all_pairs(self.carbons), 2, 40)
