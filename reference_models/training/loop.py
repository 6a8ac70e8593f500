"""The training loop on Lightning Fabric."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from backmapbench.reference_models.training import checkpoint
from backmapbench.reference_models.training.errors import missing
from backmapbench.reference_models.training.guard import Guard
from backmapbench.reference_models.training.learner import Learner
from backmapbench.reference_models.training.logs import FILE, Log
from backmapbench.reference_models.training.settings import EngineSettings
from backmapbench.reference_models.training.state import (
    BEST,
    LAST,
    State,
    load_last,
    load_network,
    save_best,
    save_last,
)
from backmapbench.reference_models.training.steps import Stepper

if TYPE_CHECKING:
    from lightning.fabric import Fabric

Progress = Callable[[int, int, dict[str, float]], None]
"""Told (steps done, steps in all, the latest losses) after every step."""
Validated = Callable[[int, float], None]
"""Told (steps done, validation loss); may raise to end the run."""


@dataclass(frozen=True)
class TrainingResult:
    """What a finished run leaves behind.

    Attributes:
        steps: steps done.
        seconds: time they took, over all sittings.
        best: lowest validation loss (infinity without validation), reached at ``best_step``.
        best_step: see ``best``.
        log: the CSV file.
        last: checkpoint of the last step.
        best_weights: checkpoint of the lowest validation loss; ``last`` without validation.
    """

    steps: int
    seconds: float
    best: float
    best_step: int
    log: Path
    last: Path
    best_weights: Path


def train(
    learner: Learner,
    settings: EngineSettings,
    seed: int,
    folder: Path,
    *,
    progress: Progress | None = None,
    validated: Validated | None = None,
) -> TrainingResult:
    """Train ``learner.network`` and leave it with the last step's weights; a run already in ``folder`` is taken up.

    With several devices each gets a process of its own and neither callback is called.

    Raises TrainingError when the run diverges, ``folder`` holds a run of other settings, or Lightning is missing.
    """
    try:
        from lightning.fabric import Fabric
    except ModuleNotFoundError as error:
        raise missing(error) from error
    folder.mkdir(parents=True, exist_ok=True)
    fabric = Fabric(
        accelerator=settings.accelerator,
        devices=settings.devices,
        precision=settings.precision,
        strategy="ddp_spawn" if settings.devices > 1 else "auto",
    )
    if settings.devices > 1:
        fabric.launch(partial(_spawned, learner=learner, settings=settings, seed=seed, folder=folder))
    else:
        _train(fabric, learner, settings, seed, folder, progress, validated)
    load_network(folder / LAST, learner.network)
    state = State(**checkpoint.read(folder / LAST).content["run"])
    best = folder / (BEST if state.best_step else LAST)
    return TrainingResult(state.step, state.seconds, state.best, state.best_step, folder / FILE, folder / LAST, best)


def seeded(seed: int, build: Callable[[], nn.Module]) -> nn.Module:
    """A network whose initial weights are a function of ``seed``; torch's global generator is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def _spawned(fabric: Fabric, learner: Learner, settings: EngineSettings, seed: int, folder: Path) -> None:
    # Tensors reach a spawned process in shared memory: without a copy every process would step the same weights.
    _train(fabric, copy.deepcopy(learner), settings, seed, folder)


def _train(
    fabric: Fabric,
    learner: Learner,
    settings: EngineSettings,
    seed: int,
    folder: Path,
    progress: Progress | None = None,
    validated: Validated | None = None,
) -> None:
    """One process's part of a run."""
    description = {
        "seed": seed,
        "batch": settings.batch,
        "precision": settings.precision,
        "guard": settings.guard.model_dump(),
        "model": learner.description(),
    }
    learner.to(fabric.device)
    learner.network.to(fabric.device)
    optimiser, guard = learner.optimiser(), Guard(settings.guard)
    rates = [float(group["lr"]) for group in optimiser.param_groups]
    state = load_last(folder, learner.network, optimiser, guard, description)
    stepper = Stepper(fabric, learner, settings, seed, *fabric.setup(learner.network, optimiser))
    log = Log(folder, after=state.step, tensorboard=settings.tensorboard) if fabric.is_global_zero else None
    books = _Books(folder, settings, learner, optimiser, guard, description, state, log)
    while state.step < settings.steps:
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * learner.rate(state.step)
        losses = stepper.step(state.step, guard)
        state.step += 1
        books.count(losses)
        if state.step % settings.log_every == 0 or state.step == settings.steps:
            held_out = stepper.validation() if books.validation_due() else math.nan
            books.close_row(held_out)
            if validated is not None and math.isfinite(held_out):
                validated(state.step, held_out)
        if progress is not None:
            progress(state.step, settings.steps, losses)
    if log is not None:
        log.close()
    fabric.barrier()


@dataclass
class _Books:
    """Rows of the log and checkpoints; ``log`` is None in all processes but the first, which alone write."""

    folder: Path
    settings: EngineSettings
    learner: Learner
    optimiser: torch.optim.Optimizer
    guard: Guard
    description: dict[str, Any]
    state: State
    log: Log | None
    sums: dict[str, float] = field(default_factory=dict)
    steps: int = 0

    def __post_init__(self) -> None:
        self._began = time.perf_counter() - self.state.seconds

    def count(self, losses: dict[str, float]) -> None:
        """Add a step to the row that is being made."""
        self.steps += 1
        self.sums = {name: self.sums.get(name, 0.0) + value for name, value in losses.items()}

    def validation_due(self) -> bool:
        """Whether this row has a validation loss."""
        every = self.settings.validate_every
        now = bool(every) and (self.state.step % every == 0 or self._last())
        return now and self.learner.validation_examples > 0

    def close_row(self, held_out: float) -> None:
        """Write the row and, when they are due, the checkpoints."""
        state = self.state
        state.seconds = time.perf_counter() - self._began
        row = {name: value / self.steps for name, value in self.sums.items()}
        row |= {"refused": float(self.guard.refused), "rate": float(self.optimiser.param_groups[0]["lr"])}
        row |= {"validation_loss": held_out, "seconds": round(state.seconds, 2)}
        self.sums, self.steps = {}, 0
        better = held_out < state.best
        if better:
            state.best, state.best_step = held_out, state.step
        if self.log is None:
            return
        self.log.add(state.step, row)
        network = self.learner.network
        if better:
            save_best(self.folder, state, network, self.description)
        if state.step % self.settings.checkpoint_every == 0 or self._last():
            save_last(self.folder, state, network, self.optimiser, self.guard, self.description)

    def _last(self) -> bool:
        return self.state.step == self.settings.steps
