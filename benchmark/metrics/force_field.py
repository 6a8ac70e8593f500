"""Potential energies of many frames with OpenMM: the task's force field in vacuum, no cutoff, no constraints."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import app, unit

from backmapbench.errors import CardError, DataError
from backmapbench.metrics.frames import Frames

BOLTZMANN = 0.00831446261815324
"""Molar gas constant, kJ/(mol K) (CODATA 2018, exact)."""

# Time per energy on one core in microseconds, 1 to 40 molecules of 22 atoms, OpenMM 8.6, Reference / CPU with 1 thread:
# 22 atoms 12 / 70, 88: 78 / 270, 132: 155 / 300, 176: 260 / 175, 264: 530 / 275, 880: 5500 / 1800.
# The CPU platform pays a fixed cost per call (neighbour list, thread pool) and then wins by vectorised pair sums, so
# small molecules are evaluated on Reference, which is double precision besides.
REFERENCE_MAXIMUM_ATOMS = 150


@dataclass(frozen=True)
class PotentialEnergy:
    """Energy function of one molecule. Cheap to hold, compare and pickle: the OpenMM objects live in a cache beside it.

    Attributes:
        topology_path: PDB file whose atoms and bonds the force field is applied to.
        files: OpenMM force-field files.
    """

    topology_path: str
    files: tuple[str, ...]

    def __call__(self, xyz: NDArray[np.floating]) -> NDArray[np.float64]:
        """Potential energies of xyz (frames, atoms, 3) in nm: (frames,) in kJ/mol.

        NaN where a coordinate is not finite or OpenMM cannot evaluate the frame; infinity where atoms coincide.

        Raises DataError when the atom count is not the topology's, CardError when the force field does not fit it.
        """
        context = _context(self.topology_path, self.files, os.getpid())
        atoms = context.getSystem().getNumParticles()
        frames = np.asarray(xyz, dtype=np.float64)
        if frames.ndim != 3 or frames.shape[1:] != (atoms, 3):
            raise DataError(f"energies need (frames, {atoms}, 3) positions, got {frames.shape}; give every atom")
        energies = np.full(len(frames), np.nan)
        for index in np.flatnonzero(np.isfinite(frames).all(axis=(1, 2))):
            energies[index] = _energy(context, frames[index])
        return energies

    def of(self, frames: Frames) -> NDArray[np.float64]:
        """Energies of a chunk's owned frames, first sample, (frames,) kJ/mol; computed once per chunk."""
        return frames.cached(("potential energy", self), lambda: self(frames.owned[0]))


def thermal_energy(temperature: float) -> float:
    """Thermal energy kT at ``temperature`` in K: kJ/mol."""
    return BOLTZMANN * temperature


def _energy(context: Any, positions: NDArray[np.float64]) -> float:
    # The CPU platform raises on a NaN that arises inside (coincident atoms), the Reference platform returns it.
    try:
        context.setPositions(positions)
        return float(context.getState(energy=True).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole))
    except openmm.OpenMMException:
        return float("nan")


@functools.lru_cache(maxsize=8)
def _context(topology_path: str, files: tuple[str, ...], process: int) -> Any:
    """OpenMM context of one process: its threads do not survive a fork."""
    pdb = app.PDBFile(topology_path)
    try:
        field = app.ForceField(*files)
        system = field.createSystem(
            pdb.topology, nonbondedMethod=app.NoCutoff, constraints=None, rigidWater=False, removeCMMotion=False
        )
    except ValueError as error:
        names = ", ".join(files)
        raise CardError(f"force field {names} does not fit {topology_path} ({error}); correct the card") from error
    small = system.getNumParticles() <= REFERENCE_MAXIMUM_ATOMS
    platform = openmm.Platform.getPlatformByName("Reference" if small else "CPU")
    integrator = openmm.VerletIntegrator(0.001)  # never stepped; a Context cannot be made without one
    return openmm.Context(system, integrator, platform, {} if small else {"Threads": "1"})
