"""Sampling of villin's atoms with delivered weights: a chain of models in two steps, and the rows beside it."""

from backmapbench.submissions.registry import load_model
from backmapbench.tasks import load_task

TASKS = {
    "cgvae-2step": "villin-mini-ucg-3",
    "chain-flow": "villin-mini-ucg-3",
    "internal-coordinates": "villin-mini-ca",
}


class Sampling:
    """One sample of every frame of the scored split (60 frames, 289 atoms), by row."""

    timeout = 300
    version = "1"
    params = list(TASKS)
    param_names = ["row"]

    def setup(self, row):
        task = load_task(TASKS[row])
        self.model, _ = load_model(row)
        self.model.fit(task.system, task.training_set(), 0)
        self.system, self.beads = task.system, task.beads(task.card.splits.scored)

    def time_backmap(self, row):
        self.model.backmap(self.system, self.beads, 1, 0)

    def peakmem_backmap(self, row):
        self.model.backmap(self.system, self.beads, 1, 0)
