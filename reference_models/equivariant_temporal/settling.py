"""A few tens of femtoseconds of Langevin dynamics about held beads: what was drawn apart settles with each other."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path

import mdtraj
import numpy as np
import openmm
import torch
from numpy.typing import NDArray

from backmapbench.errors import CardError, UnsupportedTaskError
from backmapbench.force_field import TorchForceField, scoring_system
from backmapbench.reference_models.equivariant_temporal.constraints import Constraints
from backmapbench.reference_models.equivariant_temporal.nonbonded import Nonbonded

Floats = NDArray[np.float64]
MASS = 12.0  # amu, of every atom: distributions do not depend on masses, and equal ones allow the longest step
STEP_PS = 0.004
FRICTION = 60.0  # per ps; a settling of some 80 fs forgets its start in bonds and angles, and turns no torsion over
FARTHEST_NM = 0.012  # per step by forces, beyond what bonds exert; overlaps come apart instead of exploding


def force_field_system(topology: mdtraj.Topology, files: tuple[str, ...]) -> openmm.System:
    """The molecule in vacuum under OpenMM force-field ``files``. Raises UnsupportedTaskError when they do not fit."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "molecule.pdb"
        mdtraj.Trajectory(np.zeros((1, topology.n_atoms, 3)), topology).save_pdb(str(path))
        try:
            return scoring_system(str(path), files)
        except CardError as error:
            raise UnsupportedTaskError(
                f"equivariant-temporal: its force field ({', '.join(files)}) does not fit the molecule; name one that "
                f"does in the settings: {error.__cause__ or error}"
            ) from error


class Settling:
    """Langevin dynamics of all atoms but the beads, charges screened by a constant.

    Half a step of motion before and after the random kick, all forces between: among the splittings of Langevin
    dynamics the one that draws positions of harmonic bonds exactly at any stable step (Leimkuhler and Matthews, Appl.
    Math. Res. Express 2013, 34).
    """

    def __init__(self, system: openmm.System, constraints: Constraints, dielectric: float, thermal: float) -> None:
        """``dielectric`` screens all charges; ``thermal``: kT, kJ/mol."""
        self._nonbonded = Nonbonded(system, dielectric)
        self._bonded = TorchForceField.from_system(_bonded(system))
        self._constraints, self._spread = constraints, float(np.sqrt(thermal / MASS))
        self._movable = (constraints.give > 0)[:, None]

    def __call__(self, atoms: Floats, frame: Floats, normal: Floats) -> Floats:
        """Atoms (frames, N, 3), nm, after as many steps as ``normal`` (frames, steps + 1, N, 3) has numbers for.

        ``frame`` (frames, 3, 3), rows orthonormal and fixed to the beads, turns the random forces with the molecule.
        """
        atoms = self._constraints.apply(atoms, atoms)
        noise = self._spread * (normal @ frame[:, None]) * self._movable
        kept = float(np.exp(-FRICTION * STEP_PS))
        velocity = noise[:, 0]
        for step in range(1, noise.shape[1]):
            velocity = velocity + self._kick(atoms)
            atoms, velocity = self._move(atoms, velocity)
            velocity = kept * velocity + np.sqrt(1 - kept**2) * noise[:, step]
            atoms, velocity = self._move(atoms, velocity)
        return atoms

    def forces(self, atoms: Floats) -> Floats:
        """Forces (frames, N, 3), kJ/mol/nm, on atoms (frames, N, 3), nm."""
        return self._bonded.forces(torch.from_numpy(atoms)).numpy() + self._nonbonded.forces(atoms)

    def _kick(self, atoms: Floats) -> Floats:
        """Change of velocities in a step, nm/ps."""
        kick = self.forces(atoms) * self._movable * (STEP_PS / MASS)
        size = np.linalg.norm(kick, axis=-1, keepdims=True) * STEP_PS
        return np.asarray(kick * (FARTHEST_NM / np.maximum(size, FARTHEST_NM)))

    def _move(self, atoms: Floats, velocity: Floats) -> tuple[Floats, Floats]:
        """Half a step, and the velocity that constraints have left."""
        moved = self._constraints.apply(atoms + 0.5 * STEP_PS * velocity, atoms)
        return moved, (moved - atoms) / (0.5 * STEP_PS)


def _bonded(system: openmm.System) -> openmm.System:
    """All forces but the non-bonded."""
    bonded = copy.deepcopy(system)
    for index in reversed(range(bonded.getNumForces())):
        if isinstance(bonded.getForce(index), openmm.NonbondedForce):
            bonded.removeForce(index)
    return bonded
