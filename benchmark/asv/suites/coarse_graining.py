"""Learning beads: AutoGrain as by default and as published, k-means, and the sums that all of them rest on.

Molecules are random walks; a peptide of 46 residues has 371 heavy atoms, a protein of 177 residues 1,488.
"""

from dataclasses import replace

import numpy as np

from backmapbench.coarse_graining import ANNEALED, LEGACY, kmeans
from backmapbench.coarse_graining.autograin import autograin
from backmapbench.coarse_graining.descent import descend
from backmapbench.coarse_graining.objective import second_moment


def walks(particles, frames):
    steps = np.random.default_rng(0).normal(scale=0.2, size=(frames, particles, 3))
    return np.cumsum(steps, axis=1).astype(np.float32)


class Learn:
    """Beads of 200 frames from one seed, whole; the published schedule for a tenth of its epochs."""

    version = "1"
    timeout = 600
    number = 1
    repeat = 2
    warmup_time = 0
    params = [[(46, 8), (177, 19), (371, 8)], ["annealed", "legacy/10", "kmeans"]]
    param_names = ["particles and beads", "way"]

    def setup(self, size, way):
        self.frames = walks(size[0], 200)
        short = replace(LEGACY.schedule, epochs=LEGACY.schedule.epochs // 10)
        self.settings = {"annealed": ANNEALED, "legacy/10": replace(LEGACY, schedule=short, empty="refill")}

    def time_learn(self, size, way):
        if way == "kmeans":
            kmeans(self.frames, size[1], 0)
        else:
            autograin(self.frames, size[1], 0, self.settings[way])

    def peakmem_learn(self, size, way):
        self.time_learn(size, way)


class Sums:
    """The second moment of 1,000 frames, and one descent on it from runs of the sequence."""

    version = "1"
    number = 1
    repeat = 2
    warmup_time = 0
    params = [46, 371, 1488]
    param_names = ["particles"]

    def setup(self, particles):
        self.frames = walks(particles, 1000)
        self.moment = second_moment(self.frames)
        self.runs = np.arange(particles) * 10 // particles

    def time_second_moment(self, particles):
        second_moment(self.frames)

    def time_descent(self, particles):
        descend(self.moment, self.runs, 10)
