"""Potential energies by term of many frames: the task's force field in vacuum, no cutoff, no constraints."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from backmapbench.metrics.frames import Frames

if TYPE_CHECKING:
    from backmapbench.force_field import TorchForceField

BOLTZMANN = 0.00831446261815324
"""Molar gas constant, kJ/(mol K) (CODATA 2018, exact)."""
TERMS = (
    "bonds",
    "urey_bradley",
    "angles",
    "torsions",
    "impropers",
    "cmap",
    "lennard_jones",
    "coulomb",
    "lennard_jones_14",
    "coulomb_14",
    "solvent",
)
"""Names of all terms, those of ``backmapbench.force_field.TERMS``; written here so that listing needs no torch."""


# Time per frame on one core in microseconds, all terms, torch in float64 / total energy alone, OpenMM 8.6 Reference /
# OpenMM CPU with 1 thread: 22 atoms 8 / 12 / 70, 88: 157 / 80 / 179, 176: 383 / 386 / 251, 572: 4150 / 3070 / 1050.
# OpenMM needs a call per term, two of them over all pairs, so what it takes for all terms is two to four times as long
# (22 atoms: 35); torch gives them at once and the total is their sum. So terms come from torch at every size.
@dataclass(frozen=True)
class PotentialEnergy:
    """Energy function of one molecule. Cheap to hold, compare and pickle: the torch module lives in a cache beside it.

    Attributes:
        topology_path: PDB file whose atoms and bonds the force field is applied to.
        files: OpenMM force-field files.
    """

    topology_path: str
    files: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Terms that the force field has, in the order of ``TERMS``. Raises CardError when it does not fit."""
        return _field(self.topology_path, self.files).names

    def terms(self, xyz: NDArray[np.floating]) -> NDArray[np.float64]:
        """Energies by term of xyz (frames, atoms, 3) in nm: (frames, terms) in kJ/mol, in the order of ``names``.

        Infinity where a coordinate is not finite; large and finite where atoms coincide.

        Raises DataError when the atom count is not the topology's, CardError when the force field does not fit it.
        """
        import torch

        field = _field(self.topology_path, self.files)
        with torch.no_grad():
            found = field.terms(torch.from_numpy(np.asarray(xyz, dtype=np.float64)))
        energies: NDArray[np.float64] = np.stack([found[name].numpy() for name in self.names], axis=-1)
        return energies

    def __call__(self, xyz: NDArray[np.floating]) -> NDArray[np.float64]:
        """Potential energies of xyz (frames, atoms, 3) in nm: (frames,) in kJ/mol, the sums of ``terms``."""
        total: NDArray[np.float64] = self.terms(xyz).sum(axis=1)
        return total

    def terms_of(self, frames: Frames) -> NDArray[np.float64]:
        """Energies by term of a chunk's owned frames, first sample, (frames, terms) kJ/mol; computed once per chunk."""
        return frames.cached(("energy terms", self), lambda: self.terms(frames.owned[0]))

    def of(self, frames: Frames) -> NDArray[np.float64]:
        """Energies of a chunk's owned frames, first sample, (frames,) kJ/mol; computed once per chunk."""
        return frames.cached(("potential energy", self), lambda: self.terms_of(frames).sum(axis=1))


def thermal_energy(temperature: float) -> float:
    """Thermal energy kT at ``temperature`` in K: kJ/mol."""
    return BOLTZMANN * temperature


@functools.lru_cache(maxsize=8)
def _field(topology_path: str, files: tuple[str, ...]) -> TorchForceField:
    from backmapbench.force_field import TorchForceField, scoring_system

    return TorchForceField.from_system(scoring_system(topology_path, files))
