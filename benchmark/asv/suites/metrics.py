"""Every metric of the temporal set on alanine dipeptide, one by one and all together on a long trajectory."""

import numpy as np

from backmapbench.metrics import METRICS, Frames
from backmapbench.tasks import load_task

TASK = "adp-mini-temporal"
CHUNK = 2000
LONG = 250_000


def sides(task, frames):
    """The scored split, tiled to ``frames``, and the same with noise of 0.1 Angstrom: (frames, atoms, 3) each."""
    split = task.atoms(task.card.splits.scored).positions
    reference = np.concatenate([split] * -(-frames // len(split)))[:frames]
    noise = np.random.default_rng(0).normal(scale=0.01, size=split[:CHUNK].shape).astype(np.float32)
    return reference, reference + np.concatenate([noise] * (frames // CHUNK))


class Statistics:
    """Statistics of both sides of one chunk of 2,000 frames, by metric; metrics of spread on eight samples."""

    version = "1"
    timeout = 300
    params = sorted(METRICS)
    param_names = ["metric"]
    number = 1
    repeat = 3

    def setup(self, name):
        task = load_task(TASK)
        if name not in task.card.metrics:
            raise NotImplementedError  # asv's way to leave a metric out that the task does not have
        (self.fitted,) = task.metrics([name])
        reference, prediction = sides(task, CHUNK)
        samples = np.arange(self.fitted.minimum_samples)[:, None, None, None]
        self.reference, self.prediction = reference[None], (prediction + np.float32(1e-3) * samples).astype(np.float32)

    def time_chunk(self, name):
        self.fitted.statistics(Frames(self.reference), Frames(self.prediction))  # fresh: nothing is cached


class WholeSet:
    """All metrics of one sample on 250,000 frames of 22 atoms in chunks; intermediate results are shared as they are
    in an evaluation."""

    version = "1"
    timeout = 900
    number = 1
    repeat = 1
    rounds = 1
    warmup_time = 0

    def setup(self):
        task = load_task(TASK)
        self.metrics = [metric for metric in task.metrics() if metric.minimum_samples == 1]
        self.sides = sides(task, LONG)

    def time_statistics(self):
        for start in range(0, LONG, CHUNK):
            made = {}
            for metric in self.metrics:
                lead = min(metric.lead, start)
                if lead not in made:
                    made[lead] = [Frames(side[None, start - lead : start + CHUNK], lead) for side in self.sides]
                metric.statistics(*made[lead])

    def peakmem_statistics(self):
        self.time_statistics()
