"""Bond graphs read from coordinates: atoms are bonded where they are close, whatever the topology says.

A bond is a distance < 1.3 (r_a + r_b). The radii are a CSD-like table in which carbon has 0.68 Angstrom (not 0.76), as
in the public code of coarse-grained variational auto-encoders (Wang et al. 2022), so that published figures compare.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import mdtraj
import numpy as np
from numpy.typing import NDArray

from backmapbench.errors import DataError
from backmapbench.metrics.pairs import DENSE_ATOMS, close_pairs
from backmapbench.metrics.selections import symbol

FACTOR = 1.3
RADII_ANGSTROM = {"H": 0.23, "C": 0.68, "N": 0.68, "O": 0.68, "P": 0.75, "S": 1.02, "Se": 1.22}
NM_PER_ANGSTROM = 0.1


@dataclass(frozen=True)
class EdgeCounts:
    """Edges of two bond graphs on the same atoms, frame by frame; all arrays (frames,).

    Attributes:
        reference: |E|.
        prediction: |E^|.
        differing: |E symmetric difference E^|, atom identities kept.
    """

    reference: NDArray[np.int64]
    prediction: NDArray[np.int64]
    differing: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class BondGraph:
    """Bond inference for one molecule.

    Attributes:
        radii: covalent radius of each atom (atoms,), nm.
        heavy: whether each atom is not hydrogen (atoms,).
    """

    radii: NDArray[np.float64]
    heavy: NDArray[np.bool_]

    @classmethod
    def of(cls, topology: mdtraj.Topology) -> Self:
        """Radii by element. Raises DataError naming the first atom whose element the table lacks."""
        symbols = [symbol(atom) for atom in topology.atoms]
        for atom, element in zip(topology.atoms, symbols, strict=True):
            if element not in RADII_ANGSTROM:
                known = ", ".join(RADII_ANGSTROM)
                raise DataError(f"atom {atom} is {element}, but bond graphs know radii of {known} only; leave it out")
        radii = np.array([RADII_ANGSTROM[element] * NM_PER_ANGSTROM for element in symbols])
        return cls(radii, np.array([element != "H" for element in symbols]))

    @property
    def atoms(self) -> int:
        """Number of atoms."""
        return len(self.radii)

    def edges(self, xyz: NDArray[np.floating], dense_atoms: int = DENSE_ATOMS) -> NDArray[np.int64]:
        """Ascending codes (frame x atoms + i) x atoms + j of all bonds i < j in ``xyz`` (frames, atoms, 3), nm."""
        near = close_pairs(xyz, 2 * FACTOR * float(self.radii.max()), dense_atoms)
        cutoff = FACTOR * (self.radii[near.first] + self.radii[near.second])
        codes: NDArray[np.int64] = (near.frame * self.atoms + near.first) * self.atoms + near.second
        return codes[near.squared < cutoff**2]

    def among_heavy(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """The codes of ``edges`` whose atoms are both heavy."""
        first, second = codes // self.atoms % self.atoms, codes % self.atoms
        return codes[self.heavy[first] & self.heavy[second]]

    def compare(self, reference: NDArray[np.int64], prediction: NDArray[np.int64], frames: int) -> EdgeCounts:
        """Edges per frame from the codes of ``edges`` (or ``among_heavy``) of ``frames`` frames each."""
        common = np.intersect1d(reference, prediction, assume_unique=True)
        square = self.atoms**2
        own, other, both = (np.bincount(c // square, minlength=frames) for c in (reference, prediction, common))
        return EdgeCounts(own, other, own + other - 2 * both)
