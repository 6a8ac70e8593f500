"""The equivariant temporal model on chignolin: a fit without rollouts, trajectories drawn one by one or together."""

import numpy as np

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.reference_models.equivariant_temporal import model
from backmapbench.reference_models.equivariant_temporal.model import EquivariantTemporal
from backmapbench.reference_models.equivariant_temporal.settings import read_settings
from backmapbench.tasks import load_task

TRAJECTORIES, FRAMES = 16, 3


def fitted(task):
    made = EquivariantTemporal(read_settings().model_copy(update={"rollouts": 0}))
    made.fit(task.system, task.training_set(), 0)
    return made


class Inference:
    """16 trajectories of 3 frames, ``rows`` trajectories at once."""

    params = [1, 16]
    param_names = ["rows"]
    timeout = 300

    def setup(self, rows):
        model.TRAJECTORIES_AT_ONCE = rows
        task = load_task("cln-mini-temporal")
        beads = task.beads("test").positions.reshape(-1, 60, 10, 3)[:TRAJECTORIES, :FRAMES].reshape(-1, 10, 3)
        self.beads = Trajectories(np.ascontiguousarray(beads), (FRAMES,) * TRAJECTORIES, 2.0)
        self.system, self.model = task.system, fitted(task)

    def time_trajectories(self, rows):
        self.model.backmap(self.system, self.beads, 1, 0)


class Fit:
    timeout = 300

    def setup(self):
        self.task = load_task("cln-mini-temporal")

    def time_fit(self):
        fitted(self.task)
