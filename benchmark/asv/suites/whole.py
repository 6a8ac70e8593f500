"""The whole embedded evaluation of one row, and its peak memory."""

from backmapbench.controls import CONTROLS
from backmapbench.evaluation import Evaluator
from backmapbench.tasks import load_task


class Evaluation:
    """Fit all metrics to the reference and score the row jitter-0.1 with intervals."""

    version = "1"
    timeout = 600
    number = 1
    repeat = 2
    warmup_time = 0

    def setup(self):
        self.task = load_task("adp-mini-temporal")
        self.prediction = CONTROLS["jitter-0.1"].make(self.task, 0)

    def time_adp_mini(self):
        Evaluator(self.task).evaluate(self.prediction)

    def peakmem_adp_mini(self):
        Evaluator(self.task).evaluate(self.prediction)
