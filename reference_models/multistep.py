"""Backmapping in k steps: any chain of backmappers whose mappings compose (Kementzidis 2025, sec. 2 and Algorithm 1).

A chain passes through levels between beads and atoms. Each level is a mapping from the atoms, and each step's own
mapping follows from the two levels that it joins: when a chain is built, every coarser level has to be a function of
the finer one, and all steps together have to give the task's beads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from backmapbench.coarse_graining import CoarseMapping
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import SubmissionError
from backmapbench.reference_models.composition import Chain, Level
from backmapbench.submissions.protocol import Backmapper, ModelInfo, System, TrainableBackmapper, TrainingSet

Plan = Callable[[System], Sequence[Level]]
"""Levels between a task's beads and its atoms, coarse to fine."""


class MultiStep:
    """A chain of backmappers, each fitted by itself; latents are drawn anew at every step.

    Args:
        info: the row.
        plan: levels for a system, coarse to fine.
        models: one for each step, coarse to fine: one more than levels.

    Raises SubmissionError without models.
    """

    def __init__(self, info: ModelInfo, plan: Plan, models: Sequence[Backmapper]) -> None:
        if not models:
            raise SubmissionError(f"{info.name}: a chain needs at least one model; give one per step")
        self.info, self.plan, self.models = info, plan, tuple(models)

    def build(self, system: System) -> Chain:
        """The checked chain for ``system``. Raises SubmissionError; see ``Chain.of``."""
        levels = self.plan(system)
        if len(levels) + 1 != len(self.models):
            raise SubmissionError(
                f"{self.info.name}: {len(self.models)} models for {len(levels) + 1} steps; give one for each step"
            )
        return Chain.of(system, levels)

    def fit(self, system: System, training: TrainingSet, seed: int) -> None:
        """Fit every model that learns to the true particles of its two levels: k independent problems."""
        chain = self.build(system)
        for number, (step, mapping, model) in enumerate(zip(chain.steps, chain.mappings, self.models, strict=True)):
            if isinstance(model, TrainableBackmapper):
                model.fit(step, seen_by(training, mapping, step), step_seed(seed, number))

    def backmap(self, system: System, beads: Trajectories, samples: int, seed: int) -> NDArray[np.float32]:
        """Independent samples of the whole chain: float32 (samples, frames, atoms, 3), nm."""
        return self.walk(self.build(system), beads, samples, seed)[-1]

    def walk(self, chain: Chain, beads: Trajectories, samples: int, seed: int) -> list[NDArray[np.float32]]:
        """What every step generates, coarse to fine: float32 (samples, frames, particles, 3) each, nm."""
        found: list[NDArray[np.float32]] = []
        given, draws = beads, samples
        for number, (step, model) in enumerate(zip(chain.steps, self.models, strict=True)):
            placed = model.backmap(step, given, draws, step_seed(seed, number))
            placed = placed.reshape(samples, len(beads), -1, 3)
            found.append(placed)
            # From here on every sample is a trajectory of its own, backmapped once.
            given = Trajectories(np.concatenate(placed), beads.lengths * samples, beads.frame_ps)
            draws = 1
        return found


class GivenSingleAtoms:
    """A backmapper that is shown only those beads that are one atom each, and fitted to them.

    It makes a model from C-alphas the last step of a chain whose C-alphas carry the task's beads.
    """

    def __init__(self, model: Backmapper) -> None:
        self.model, self.info = model, model.info

    def fit(self, system: System, training: TrainingSet, seed: int) -> None:
        """Fit the model, where it learns."""
        if isinstance(self.model, TrainableBackmapper):
            self.model.fit(_single(system)[0], training, seed)

    def backmap(self, system: System, beads: Trajectories, samples: int, seed: int) -> NDArray[np.float32]:
        """The model's coordinates. Raises SubmissionError where no bead is one atom."""
        seen, rows = _single(system)
        return self.model.backmap(seen, beads.replace_positions(beads.positions[:, rows]), samples, seed)


def _single(system: System) -> tuple[System, NDArray[np.intp]]:
    weights = system.mapping.weights
    rows = np.flatnonzero(np.diff(weights.indptr) == 1)
    if not len(rows):
        raise SubmissionError("multistep: no bead is a single atom; choose a level of atoms, such as C-alphas")
    names = tuple(system.mapping.bead_names[row] for row in rows)
    return System(system.topology, CoarseMapping(weights[rows], names), system.temperature_K), rows


def step_seed(seed: int, step: int) -> int:
    """A seed of its own for every step."""
    return int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint32)[0])


def about_beads(particles: NDArray[np.floating], mapping: CoarseMapping) -> NDArray[np.floating]:
    """Particles (frames, n, 3), each frame's origin at the centroid of its beads, as the protocol has it."""
    origin: NDArray[np.floating] = mapping.positions(particles).mean(axis=1, keepdims=True)
    return particles - origin


def seen_by(training: TrainingSet, mapping: CoarseMapping, step: System) -> TrainingSet:
    """What the model of ``step`` learns from: the particles of ``mapping`` that it is to generate."""
    return TrainingSet(_seen(training.train, mapping, step), _seen(training.validation, mapping, step))


def _seen(atoms: Trajectories, mapping: CoarseMapping, step: System) -> Trajectories:
    particles = mapping.positions(atoms.positions.astype(np.float64))
    return atoms.replace_positions(about_beads(particles, step.mapping))
