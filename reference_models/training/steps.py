"""One step and one validation, on this process's share of the batch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from backmapbench.reference_models.training import draws
from backmapbench.reference_models.training.guard import Guard
from backmapbench.reference_models.training.learner import Learner
from backmapbench.reference_models.training.settings import EngineSettings

if TYPE_CHECKING:
    from lightning.fabric import Fabric


@dataclass(frozen=True)
class Stepper:
    """What all steps of a run share: ``network`` and ``optimiser`` as Fabric has wrapped them."""

    fabric: Fabric
    learner: Learner
    settings: EngineSettings
    seed: int
    network: Any
    optimiser: Any

    def step(self, step: int, guard: Guard) -> dict[str, float]:
        """One step on the whole batch; its losses and the gradient's norm, means over all processes."""
        learner, fabric, micros = self.learner, self.fabric, self.settings.accumulate
        chosen = draws.examples_of(step, self.settings.batch, learner.training_examples, self.seed)
        drawn = learner.draw(chosen, draws.generator(self.seed, draws.STEP, step), training=True)
        totals: dict[str, Tensor] = {}
        self.network.train()
        self.optimiser.zero_grad()
        for micro in range(micros):
            part = draws.share(drawn, fabric.global_rank * micros + micro, fabric.world_size * micros)
            with fabric.no_backward_sync(self.network, enabled=micro + 1 < micros):
                losses = learner.losses(self.network, fabric.to_device(part), step)
                fabric.backward(losses["loss"] / micros)
            for name, value in losses.items():
                totals[name] = totals.get(name, torch.zeros_like(value)) + value.detach() / micros
        means = self._means(totals)
        largest = learner.clip(step)
        norm = fabric.clip_gradients(
            self.network, self.optimiser, max_norm=math.inf if largest is None else largest, error_if_nonfinite=False
        )
        found = float(norm) if norm is not None else 0.0
        if guard.accepts(step + 1, means["loss"], found):
            self.optimiser.step()
        return means | {"gradient_norm": found}

    def validation(self) -> float:
        """Mean loss over the same validation examples with the same random numbers every time.

        Weights of terms are those at the run's end, so that values can be compared over a run whose schedules change.
        """
        total = 0.0
        self.network.eval()
        with torch.no_grad():
            for number in range(self.settings.validation_batches):
                chosen = draws.examples_of(number, self.settings.batch, self.learner.validation_examples, self.seed)
                source = draws.generator(self.seed, draws.VALIDATION, number)
                drawn = self.learner.draw(chosen, source, training=False)
                part = draws.share(drawn, self.fabric.global_rank, self.fabric.world_size)
                losses = self.learner.losses(self.network, self.fabric.to_device(part), self.settings.steps)
                total += self._means({"loss": losses["loss"]})["loss"]
        return total / self.settings.validation_batches

    def _means(self, values: dict[str, Tensor]) -> dict[str, float]:
        stacked = torch.stack([value.double() for value in values.values()])
        if self.fabric.world_size > 1:
            stacked = torch.as_tensor(self.fabric.all_reduce(stacked, reduce_op="mean"))
        return dict(zip(values, stacked.tolist(), strict=True))
