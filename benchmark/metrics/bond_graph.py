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
from backmapbench.metrics.pairs import DENSE_ATOMS, close_pair_blocks, squared_distances
from backmapbench.metrics.selections import symbol

FACTOR = 1.3
RADII_ANGSTROM = {"H": 0.23, "C": 0.68, "N": 0.68, "O": 0.68, "P": 0.75, "S": 1.02, "Se": 1.22}
NM_PER_ANGSTROM = 0.1


@dataclass(frozen=True, eq=False)
class Edges:
    """Bonds (first < second) of the frames of a chunk, in the order of frames; all arrays (bonds,).

    Attributes:
        frame: frame of the bond.
        first, second: atom indices.
    """

    frame: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]


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

    def edges(self, xyz: NDArray[np.floating], dense_atoms: int = DENSE_ATOMS) -> Edges:
        """All bonds in ``xyz`` (frames, atoms, 3), nm. Coincident atoms are all bonded: see ``counts`` for memory."""
        parts = [
            (near.frame[bonded], near.first[bonded], near.second[bonded])
            for near in close_pair_blocks(xyz, self._reach, dense_atoms)
            for bonded in [near.squared < self._limits(near.first, near.second)]
        ]
        none = np.zeros(0, dtype=np.int64)
        return Edges(*(np.concatenate(column) for column in zip(*parts, strict=True))) if parts else Edges(*[none] * 3)

    def counts(
        self, xyz: NDArray[np.floating], dense_atoms: int = DENSE_ATOMS
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Bonds among heavy atoms and bonds among all atoms in each frame of ``xyz``, both (frames,).

        The bonds themselves are not kept, so memory stays small however many atoms coincide.
        """
        heavy, everything = np.zeros((2, len(xyz)), dtype=np.int64)
        for near in close_pair_blocks(xyz, self._reach, dense_atoms):
            bonded = near.squared < self._limits(near.first, near.second)
            everything += np.bincount(near.frame[bonded], minlength=len(xyz))
            bonded &= self.heavy[near.first] & self.heavy[near.second]
            heavy += np.bincount(near.frame[bonded], minlength=len(xyz))
        return heavy, everything

    def compare(self, reference: Edges, xyz: NDArray[np.floating]) -> tuple[EdgeCounts, EdgeCounts]:
        """Edges per frame of heavy atoms and of all atoms: those of ``reference`` against those in ``xyz``.

        A reference bond is kept if its atoms are bonded in ``xyz`` (frames, atoms, 3), nm, by the same rule.
        """
        counts = self.counts(xyz)
        squared = squared_distances(xyz, reference.frame, reference.first, reference.second)
        kept = squared < self._limits(reference.first, reference.second)
        pair = self.heavy[reference.first] & self.heavy[reference.second]
        found = []
        for chosen, other in zip((pair, np.ones(len(pair), dtype=bool)), counts, strict=True):
            own = np.bincount(reference.frame[chosen], minlength=len(xyz))
            common = np.bincount(reference.frame[chosen & kept], minlength=len(xyz))
            found.append(EdgeCounts(own, other, own + other - 2 * common))
        return found[0], found[1]

    @property
    def _reach(self) -> float:
        """Longest bond that the radii allow, nm."""
        return 2 * FACTOR * float(self.radii.max())

    def _limits(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
        """Squared cutoff of each pair, nm^2."""
        limits: NDArray[np.float64] = (FACTOR * (self.radii[first] + self.radii[second])) ** 2
        return limits
