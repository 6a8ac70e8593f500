"""Backmapping in k steps: any chain of backmappers whose mappings compose (paper 002, sec. 2 and Algorithm 1).

A chain passes through levels between beads and atoms. Each level is a mapping from the atoms, and each step's own
mapping follows from the two levels that it joins: when a chain is built, every coarser level has to be a function of
the finer one, and all steps together have to give the task's beads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backmapbench.coarse_graining import CoarseMapping
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import SubmissionError
from backmapbench.reference_models.composition import Chain, Level
from backmapbench.submissions.protocol import Backmapper, ModelInfo, System, TrainableBackmapper, TrainingSet

ANGSTROM_PER_NM = 10.0

Plan = Callable[[System], Sequence[Level]]
"""Levels between a task's beads and its atoms, coarse to fine."""


@dataclass(frozen=True)
class StepError:
    """How far one step's output lies from the truth, and what of it the step did not cause.

    Attributes:
        name: of the level that the step generates.
        particles: its number of particles.
        true_angstrom: RMSD (mean over samples and frames) of the step given the TRUE coarser level.
        predicted_angstrom: RMSD of the chain, where the step was given what the step before it predicted.
        beads_angstrom: rms between the chain's output, coarse-grained to the task's beads, and these beads.
    """

    name: str
    particles: int
    true_angstrom: float
    predicted_angstrom: float
    beads_angstrom: float


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
                seen = TrainingSet(_seen(training.train, mapping, step), _seen(training.validation, mapping, step))
                model.fit(step, seen, step_seed(seed, number))

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

    def propagation(self, system: System, atoms: Trajectories, samples: int, seed: int) -> list[StepError]:
        """Errors of every step on known ``atoms``, given the true coarser level and given the predicted one.

        It needs the answer, so it is for frames that are not scored.
        """
        chain = self.build(system)
        beads = atoms.replace_positions(system.mapping.positions(atoms.positions))
        errors = []
        coarser = beads
        walked = self.walk(chain, beads, samples, seed)
        for number, (step, mapping, model) in enumerate(zip(chain.steps, chain.mappings, self.models, strict=True)):
            true = atoms.replace_positions(mapping.positions(atoms.positions))
            alone = model.backmap(step, coarser, samples, step_seed(seed, number))
            errors.append(
                StepError(
                    chain.names[number],
                    mapping.beads,
                    _rmsd(alone, true.positions),
                    _rmsd(walked[number], true.positions),
                    _rms(_to_beads(chain, number, walked[number]) - beads.positions),
                )
            )
            coarser = true
        return errors


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


def _seen(atoms: Trajectories, mapping: CoarseMapping, step: System) -> Trajectories:
    """A level's particles, each frame's origin at the centroid of the step's beads, as the protocol has it."""
    particles = mapping.positions(atoms.positions.astype(np.float64))
    origin = step.mapping.positions(particles).mean(axis=1, keepdims=True)
    return atoms.replace_positions(particles - origin)


def _to_beads(chain: Chain, number: int, particles: NDArray[np.float32]) -> NDArray[np.floating]:
    found: NDArray[np.floating] = particles
    for step in reversed(chain.steps[: number + 1]):
        found = step.mapping.positions(found)
    return found


def _rmsd(found: NDArray[np.floating], true: NDArray[np.floating]) -> float:
    squared = ((found - true) ** 2).sum(-1).mean(-1)
    return float(ANGSTROM_PER_NM * np.sqrt(squared).mean())


def _rms(difference: NDArray[np.floating]) -> float:
    return float(ANGSTROM_PER_NM * np.sqrt((difference**2).sum(-1).mean()))
