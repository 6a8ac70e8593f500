"""AutoGrain: beads learned from trajectories by an auto-encoder whose assignment of particles is drawn by Gumbel-softmax.

``ANNEALED`` (the default) lowers the temperature, lets the learning rate fall, trains several restarts from the one
seed, fills empty beads, lets each assignment descend to a local minimum of the objective, and keeps the best.
``LEGACY`` is what was published: the temperature stays 1, one draw, 90 % of at most 1000 frames, 1500 epochs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from backmapbench.coarse_graining.descent import descend, fill_empty_beads
from backmapbench.coarse_graining.objective import Assignment, Moment, objective_of_moment, second_moment
from backmapbench.coarse_graining.soft_assignment import Schedule, one_thread, train
from backmapbench.errors import DataError, UnknownNameError

RELEARN_LIMIT = 20
Variant = Literal["annealed", "legacy"]


@dataclass(frozen=True)
class AutoGrainSettings:
    """How an assignment is learned.

    Attributes:
        schedule: updates, learning rate, temperature, batch.
        restarts: independent trainings of which the best is kept.
        maximum_frames: frames learned from, evenly spaced over those given.
        used_fraction: part of these frames that is drawn for training.
        empty: what becomes of a bead without particles: ``refill`` gives it the particle whose move there leaves the
            objective least; ``relearn`` trains anew until every bead has one (at most 20 times); ``renumber`` drops it.
        descent: whether particles then move one by one to better beads until none can.
    """

    schedule: Schedule = field(default_factory=Schedule)
    restarts: int = 16
    maximum_frames: int = 1000
    used_fraction: float = 1.0
    empty: Literal["refill", "relearn", "renumber"] = "refill"
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


def autograin(
    positions: NDArray[np.floating], beads: int, seed: int, settings: AutoGrainSettings = ANNEALED
) -> Assignment:
    """Bead (particles,) of each particle, learned from ``positions`` (frames, particles, 3), nm.

    Beads are numbered by their first particle. The same seed gives the same beads: the generator is its own, and all
    runs on one thread. Every bead 0 ... ``beads`` - 1 has a particle, unless ``settings.empty`` is ``renumber``.

    Raises DataError for frames or numbers of beads that cannot be learned from, or when relearning never fills all beads.
    """
    check_beads(positions, beads)
    generator = torch.Generator().manual_seed(seed)
    frames = _chosen(positions, settings, generator)
    with one_thread(), threadpool_limits(1):
        moment = second_moment(frames)
        tries = RELEARN_LIMIT if settings.empty == "relearn" else 1
        for _ in range(tries):
            logits = train(frames, beads, settings.restarts, settings.schedule, generator)
            drawn = [np.asarray(assignment, dtype=np.intp) for assignment in logits.argmax(axis=-1)]
            if settings.empty == "relearn":
                drawn = [assignment for assignment in drawn if len(np.unique(assignment)) == beads]
            if drawn:
                return _best(moment, drawn, beads, settings)
    raise DataError(
        f"{tries} trainings all left one of {beads} beads empty; ask for fewer beads or choose empty = 'refill'"
    )


def numbered(assignment: NDArray[np.integer]) -> Assignment:
    """The same beads numbered 0, 1, ... by their first particle, without gaps."""
    _, first, inverse = np.unique(assignment, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.intp)
    rank[np.argsort(first)] = np.arange(len(first))
    return np.asarray(rank[inverse], dtype=np.intp)


def check_beads(positions: NDArray[np.floating], beads: int) -> None:
    """Raise DataError unless there are frames, and from 1 to as many beads as particles."""
    if np.ndim(positions) != 3 or not np.size(positions):
        raise DataError(f"positions have shape {np.shape(positions)}; expected (frames, particles, 3), none of them 0")
    if not 1 <= beads <= positions.shape[1]:
        raise DataError(f"{beads} beads asked for of {positions.shape[1]} particles; give a number from 1 to that")


def _best(moment: Moment, drawn: list[Assignment], beads: int, settings: AutoGrainSettings) -> Assignment:
    weight = settings.schedule.lift_weight
    if settings.empty == "refill":
        drawn = [fill_empty_beads(moment, assignment, beads) for assignment in drawn]
    whole = [numbered(assignment) for assignment in drawn]
    if settings.descent:
        whole = [numbered(descend(moment, labels, labels.max() + 1, weight)) for labels in whole]
    return min(whole, key=lambda labels: objective_of_moment(moment, labels, weight).total_nm2)


def _chosen(
    positions: NDArray[np.floating], settings: AutoGrainSettings, generator: torch.Generator
) -> NDArray[np.floating]:
    """At most ``maximum_frames`` evenly spaced frames, of which ``used_fraction`` are drawn."""
    count = min(len(positions), settings.maximum_frames)
    spaced = np.linspace(0, len(positions) - 1, count).round().astype(np.intp)
    if settings.used_fraction < 1:
        kept = max(1, round(settings.used_fraction * count))
        spaced = spaced[np.sort(torch.randperm(count, generator=generator)[:kept].numpy())]
    return np.asarray(positions[spaced])

