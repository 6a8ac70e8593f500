"""How errors grow along a chain of backmappers: of every step given the true coarser level, and the predicted one."""

from __future__ import annotations

from dataclasses import dataclass

import mdtraj
import numpy as np
from numpy.typing import NDArray

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.reference_models.composition import Chain
from backmapbench.reference_models.multistep import MultiStep, step_seed
from backmapbench.submissions.protocol import System

ANGSTROM_PER_NM = 10.0


@dataclass(frozen=True)
class StepError:
    """How far one step's output lies from the truth, and what of it the step did not cause.

    Attributes:
        name: of the level that the step generates.
        particles: its number of particles, without beads that it carries along.
        true_angstrom: RMSD of these particles (mean over samples and frames) of the step given the TRUE coarser level.
        predicted_angstrom: RMSD of the chain, where the step was given what the step before it predicted.
        beads_angstrom: rms between the chain's output, coarse-grained to the task's beads, and these beads.
    """

    name: str
    particles: int
    true_angstrom: float
    predicted_angstrom: float
    beads_angstrom: float


def step_errors(model: MultiStep, system: System, atoms: Trajectories, samples: int, seed: int) -> list[StepError]:
    """Errors of every step of a fitted chain on known ``atoms``.

    It needs the answer, so it is for frames that are not scored.
    """
    chain = model.build(system)
    beads = atoms.replace_positions(system.mapping.positions(atoms.positions))
    errors = []
    coarser = beads
    walked = model.walk(chain, beads, samples, seed)
    for number, (step, mapping, one) in enumerate(zip(chain.steps, chain.mappings, model.models, strict=True)):
        true = atoms.replace_positions(mapping.positions(atoms.positions))
        alone = one.backmap(step, coarser, samples, step_seed(seed, number))
        own = np.array([atom.element is not mdtraj.element.virtual_site for atom in step.topology.atoms])
        errors.append(
            StepError(
                chain.names[number],
                int(own.sum()),
                _rmsd(alone[:, :, own], true.positions[:, own]),
                _rmsd(walked[number][:, :, own], true.positions[:, own]),
                _rms(_to_beads(chain, number, walked[number]) - beads.positions),
            )
        )
        coarser = true
    return errors


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
