"""A small learner with everything a real one has, and a program that trains it; run by the tests of the engine.

It is a file of its own because processes that the engine starts import it by its path.
"""

import os
import signal
import sys
from pathlib import Path

import torch
from torch import nn

from backmapbench.reference_models.training import EngineSettings, train
from backmapbench.reference_models.training.loop import seeded

STEPS = 40


def engine(**changes):
    given = {"steps": STEPS, "batch": 16, "accelerator": "cpu", "log_every": 5, "validate_every": 10}
    return EngineSettings(**(given | {"checkpoint_every": 10, "validation_batches": 2} | changes))


class Regression:
    """Sines of two numbers, learned from noisy inputs; noise and clip make every step depend on drawn numbers."""

    def __init__(self, seed=0, rate=3e-2, spoil=(), weights=None):
        self.network = seeded(seed, lambda: nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1)))
        self.training_examples, self.validation_examples = 100, 40
        self.given_rate, self.spoil = rate, spoil
        source = torch.Generator().manual_seed(1)
        self.inputs = torch.randn(140, 2, generator=source)
        self.targets = torch.sin(2 * self.inputs).sum(1, keepdim=True)

    def optimiser(self):
        return torch.optim.Adam(self.network.parameters(), lr=self.given_rate)

    def rate(self, step):
        return 1.0 if step < 20 else 0.5

    def clip(self, step):
        return None if step < 10 else 1.0

    def draw(self, examples, generator, *, training):
        rows = examples if training else examples + self.training_examples
        noise = 0.05 * torch.randn(len(rows), 2, generator=generator) * training
        return {"inputs": self.inputs[rows] + noise, "targets": self.targets[rows]}

    def losses(self, network, draw, step):
        error = ((network(draw["inputs"]) - draw["targets"]) ** 2).mean()
        factor = torch.nan if step in self.spoil else 1.0
        return {"loss": error * factor, "root": error.sqrt()}

    def to(self, device):
        pass

    def description(self):
        return {"rate": self.given_rate, "sizes": {"hidden": 16}}


def main(folder, devices, kill):
    """Train in ``folder``; the process kills itself after step ``kill`` (0: never)."""
    torch.set_num_threads(1)

    def progress(step, total, losses):
        if step == kill:
            os.kill(os.getpid(), signal.SIGKILL)

    train(Regression(), engine(devices=devices), 3, Path(folder), progress=progress)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
