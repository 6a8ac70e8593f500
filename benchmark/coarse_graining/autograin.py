"""AutoGrain: beads learned by an auto-encoder of frames whose assignment of particles is drawn by Gumbel-softmax.

``ANNEALED`` (the default) lowers the temperature, lets the learning rate fall, trains several restarts from the one
seed, fills empty beads, lets each assignment descend to a local minimum of the objective, and keeps the best.
``LEGACY`` is what was published: the temperature stays 1, one draw, 90 % of at most 1000 frames, 1500 epochs.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from backmapbench.coarse_graining.assignment import Assignment, check_beads, numbered
from backmapbench.coarse_graining.descent import descend, fill_empty_beads
from backmapbench.coarse_graining.objective import Moment, objective_of_moment, second_moment
from backmapbench.coarse_graining.settings import ANNEALED, AutoGrainSettings
from backmapbench.coarse_graining.soft_assignment import one_thread, train
from backmapbench.errors import DataError

RELEARN_LIMIT = 20


def autograin(
    positions: NDArray[np.floating], beads: int, seed: int, settings: AutoGrainSettings = ANNEALED
) -> Assignment:
    """Bead (particles,) of each particle, learned from ``positions`` (frames, particles, 3), nm.

    Beads are numbered by their first particle. The same seed gives the same beads: the generator is its own, and all
    runs on one thread. Every bead 0 ... ``beads`` - 1 has a particle.

    Raises DataError for frames or numbers of beads that cannot be learned from, or when relearning leaves beads empty.
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
        f"{tries} trainings all left one of {beads} beads empty; ask for fewer beads, or take the variant 'annealed'"
    )


def _best(moment: Moment, drawn: list[Assignment], beads: int, settings: AutoGrainSettings) -> Assignment:
    weight = settings.schedule.lift_weight
    if settings.empty == "refill":
        drawn = [fill_empty_beads(moment, assignment, beads) for assignment in drawn]
    whole = [numbered(assignment) for assignment in drawn]
    if settings.descent:
        whole = [numbered(descend(moment, labels, beads, weight)) for labels in whole]
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
