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


# Torch or OpenMM 8.6, by measurement: microseconds of processor time per frame on one thread (``Scoring`` in
# benchmark/asv/suites/force_field.py). All terms by torch (float64) / OpenMM Reference / OpenMM CPU; totals by OpenMM:
#   ADP, AMBER, 22 atoms:         9 /   30 /  175;   13 /   71
#   CLN, AMBER, 175 atoms:      242 /  586 /  371;  307 /  194
#   CLN, CHARMM36, 175 atoms:   188 / 2137 / 1345; 1591 / 1040
#   villin, AMBER, 582 atoms:  1383 / 5571 / 1682; 2806 /  966
# Every set of metrics that scores energies scores their terms, which torch gives at once and OpenMM by a call each, and
# the total is their sum. So the faster is torch for every system; OpenMM's CPU platform, in single precision, would win
# only where nobody asked for terms, and there not for CHARMM36 nor for 22 atoms.
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
        from backmapbench.force_field import energies_by_term

        return energies_by_term(_field(self.topology_path, self.files), xyz)

    def __call__(self, xyz: NDArray[np.floating]) -> NDArray[np.float64]:
        """Potential energies of xyz (frames, atoms, 3) in nm: (frames,) in kJ/mol, the sums of ``terms``."""
        return total(self.terms(xyz))

    def terms_of(self, frames: Frames) -> NDArray[np.float64]:
        """Energies by term of a chunk's owned frames, first sample, (frames, terms) kJ/mol; computed once per chunk."""
        return frames.cached(("energy terms", self), lambda: self.terms(frames.owned[0]))

    def of(self, frames: Frames) -> NDArray[np.float64]:
        """Energies of a chunk's owned frames, first sample, (frames,) kJ/mol; computed once per chunk."""
        return frames.cached(("potential energy", self), lambda: total(self.terms_of(frames)))


def total(terms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Potential energies (frames,) of energies by term (frames, terms), kJ/mol, rounded as the terms are."""
    from backmapbench.force_field.scoring import total as summed

    return summed(terms)


def thermal_energy(temperature: float) -> float:
    """Thermal energy kT at ``temperature`` in K: kJ/mol."""
    return BOLTZMANN * temperature


@functools.lru_cache(maxsize=8)
def _field(topology_path: str, files: tuple[str, ...]) -> TorchForceField:
    from backmapbench.force_field import TorchForceField, scoring_system

    return TorchForceField.from_system(scoring_system(topology_path, files))
