"""Hydrogens that differ by name only, brought into one order."""

from __future__ import annotations

import mdtraj
import numpy as np
from numpy.typing import NDArray


def one_labelling(topology: mdtraj.Topology, positions: NDArray[np.floating]) -> NDArray[np.float64]:
    """Positions (frames, atoms, 3) with the hydrogens of every CH2 and CH3 group in the order that most frames have.

    Simulations started from differently built structures may have the two hydrogens of a CH2 group, or the sense of
    rotation of a methyl group's three, the other way round; energies do not tell the difference and no frame ever
    changes from one to the other, but a model of the mixture would.
    """
    atoms = np.array(positions, dtype=np.float64)
    for centre, first, second, third in _groups(topology):
        arms = atoms[:, [first, second, third]] - atoms[:, centre, None]
        handed = np.einsum("fi,fi->f", arms[:, 0], np.cross(arms[:, 1], arms[:, 2])) > 0
        odd = handed if handed.mean() < 0.5 else ~handed
        atoms[np.ix_(odd, [second, third])] = atoms[np.ix_(odd, [third, second])]
    return atoms


def _groups(topology: mdtraj.Topology) -> list[tuple[int, int, int, int]]:
    """Centre, an arm that stays, and two hydrogens that may be exchanged."""
    around: dict[int, list[mdtraj.core.topology.Atom]] = {atom.index: [] for atom in topology.atoms}
    for first, second in topology.bonds:
        around[first.index].append(second)
        around[second.index].append(first)
    groups = []
    for centre, neighbours in around.items():
        hydrogens = sorted(atom.index for atom in neighbours if atom.element is not None and atom.element.symbol == "H")
        heavy = sorted(atom.index for atom in neighbours if atom.index not in hydrogens)
        if len(hydrogens) == 2 and len(heavy) == 2:
            groups.append((centre, heavy[0], *hydrogens))
        elif len(hydrogens) == 3:
            groups.append((centre, *hydrogens))
    return groups
