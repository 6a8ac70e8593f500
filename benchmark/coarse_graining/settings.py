"""How AutoGrain learns: schedules and variants, apart from the code that needs torch, so that naming them is cheap."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from backmapbench.errors import UnknownNameError


@dataclass(frozen=True)
class Schedule:
    """How one training run goes.

    Attributes:
        updates: Adam updates; None means ``epochs`` passes over the frames.
        epochs: passes over the frames, each in a new order; counts only where ``updates`` is None.
        learning_rate: Adam's, at the first update; lengths are Angstrom.
        cosine: whether the learning rate falls to 0 along a half cosine; else it stays.
        tau_start: temperature of the Gumbel-softmax at the first update.
        tau_end: temperature after ``anneal_fraction`` of the updates, held from there on.
        anneal_fraction: part of the updates over which the temperature falls linearly.
        batch_frames: frames per update.
        lift_weight: weight w of the lift term.
    """

    updates: int | None = 1500
    epochs: int = 1500
    learning_rate: float = 0.1
    cosine: bool = True
    tau_start: float = 1.0
    tau_end: float = 0.025
    anneal_fraction: float = 0.65
    batch_frames: int = 32
    lift_weight: float = 0.25

    def temperature(self, done: float) -> float:
        """Temperature when the part ``done`` (0 ... 1) of the updates is behind."""
        return self.tau_start + (self.tau_end - self.tau_start) * min(done / self.anneal_fraction, 1.0)

    def rate(self, done: float) -> float:
        """Learning rate when the part ``done`` of the updates is behind."""
        return self.learning_rate * (0.5 * (1 + math.cos(math.pi * done)) if self.cosine else 1.0)

    def updates_for(self, frames: int) -> int:
        """Adam updates on this many frames."""
        return self.epochs * math.ceil(frames / self.batch_frames) if self.updates is None else self.updates


@dataclass(frozen=True)
class AutoGrainSettings:
    """How an assignment is learned.

    Attributes:
        schedule: updates, learning rate, temperature, batch.
        restarts: independent trainings of which the best is kept.
        maximum_frames: frames learned from, evenly spaced over those given.
        used_fraction: part of these frames that is drawn for training.
        empty: what becomes of a bead without particles: ``refill`` gives it the particle whose leaving its bead lowers
            the lift term most; ``relearn`` trains anew until every bead has one (at most 20 times).
        descent: whether particles then move one by one to better beads until none can.
    """

    schedule: Schedule = field(default_factory=Schedule)
    restarts: int = 16
    maximum_frames: int = 1000
    used_fraction: float = 1.0
    empty: Literal["refill", "relearn"] = "refill"
    descent: bool = True


ANNEALED = AutoGrainSettings()
LEGACY = AutoGrainSettings(
    Schedule(updates=None, epochs=1500, learning_rate=4e-3, cosine=False, tau_end=1.0),
    restarts=1,
    used_fraction=0.9,
    empty="relearn",
    descent=False,
)
VARIANTS: dict[str, AutoGrainSettings] = {"annealed": ANNEALED, "legacy": LEGACY}


def variant_settings(name: str) -> AutoGrainSettings:
    """Settings of the variant ``name``. Raises UnknownNameError for one that does not exist."""
    if name not in VARIANTS:
        raise UnknownNameError("AutoGrain variant", name, VARIANTS)
    return VARIANTS[name]
