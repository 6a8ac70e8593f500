"""Chiral centres found from the topology, and their signed volumes."""

from __future__ import annotations

import mdtraj
import numpy as np
from numpy.typing import NDArray

from backmapbench.metrics.selections import amino_acids, neighbours, symbol

# Centres that a topology without hydrogens cannot show: three heavy neighbours fit a planar atom as well.
NAMED_CENTRES = {"CA": ("N", "C", "CB"), "ILE:CB": ("CA", "CG1", "CG2"), "THR:CB": ("CA", "OG1", "CG2")}


def chiral_centres(topology: mdtraj.Topology) -> NDArray[np.intp]:
    """Chiral centres and three of their neighbours: (centres, 4), the centre first; (0, 4) where there is none.

    A centre is a heavy atom with four neighbours that no symmetry of the bond graph exchanges. A topology without
    hydrogens is read by name: CA with N, C, CB (so not glycine), CB of ILE and THR. The three neighbours are the first
    heavy ones in index order, so that topologies with and without hydrogens give the same volumes (of four different
    neighbours at most one is a hydrogen).

    Raises DataError for a topology without bonds or an atom without an element.
    """
    bonded = neighbours(topology)
    elements = [symbol(atom) for atom in topology.atoms]
    classes = equivalent_atoms(elements, bonded)
    found: dict[int, list[int]] = {}
    for atom, around in enumerate(bonded):
        if elements[atom] != "H" and len(around) == 4 and len({classes[other] for other in around}) == 4:
            found[atom] = sorted(around, key=lambda other: (elements[other] == "H", other))[:3]
    for residue in amino_acids(topology):
        named = {atom.name: atom.index for atom in residue.atoms}
        for name, others in NAMED_CENTRES.items():
            around = [named.get(other, -1) for other in others]
            atom = named.get(name.removeprefix(f"{residue.name}:"), -1)
            if atom >= 0 and bonded[atom] == sorted(around):
                found[atom] = sorted(around)
    return np.array([[atom, *found[atom]] for atom in sorted(found)], dtype=np.intp).reshape(-1, 4)


def equivalent_atoms(elements: list[str], bonded: list[list[int]]) -> NDArray[np.intp]:
    """Class of each atom (atoms,): atoms share one if elements and surroundings look alike to any depth.

    Colour refinement (Weisfeiler and Lehman 1968; Morgan 1965 for molecules): atoms are told apart by the classes of
    their neighbours until no class splits any more.
    """
    width = max((len(around) for around in bonded), default=0)
    table = np.full((len(bonded), width), -1, dtype=np.intp)
    for atom, around in enumerate(bonded):
        table[atom, : len(around)] = around
    classes: NDArray[np.intp] = np.unique(elements, return_inverse=True)[1]
    while True:
        seen = np.sort(np.where(table >= 0, classes[table], -1), axis=1)
        finer: NDArray[np.intp] = np.unique(np.column_stack([classes, seen]), axis=0, return_inverse=True)[1].ravel()
        if finer.max(initial=0) == classes.max(initial=0):
            return classes
        classes = finer


def signed_volumes(xyz: NDArray[np.floating], centres: NDArray[np.intp]) -> NDArray[np.float64]:
    """Triple product of the bonds from each centre to its three neighbours: (..., centres), nm^3.

    ``xyz`` (..., atoms, 3), nm; ``centres`` (centres, 4). It is six times the volume that they span; its sign is the
    handedness. An alpha carbon has about 0.0026 nm^3 (2.6 cubic Angstrom).
    """
    points = np.asarray(xyz[..., centres, :], dtype=np.float64)
    first, second, third = (points[..., k, :] - points[..., 0, :] for k in (1, 2, 3))
    volume: NDArray[np.float64] = (first * np.cross(second, third)).sum(axis=-1)
    return volume
