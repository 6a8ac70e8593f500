"""Which of several conformations of a residue fits among the atoms around it: Lennard-Jones energies by element."""

from __future__ import annotations

import mdtraj
import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra

from backmapbench.reference_models.ar_internal.tree import bonded_matrix

Floats = NDArray[np.float64]
FARTHEST_BONDED = 3  # pairs up to this many bonds apart are the torsions' and stiff coordinates' business
CLOSEST = 0.05  # nm; keeps energies of coinciding atoms finite
POLAR = frozenset({"N", "O", "S"})
UNKNOWN = "C"  # elements without parameters count as carbon


class Contacts:
    """Lennard-Jones energies between atoms more than three bonds apart, kJ/mol."""

    def __init__(self, topology: mdtraj.Topology, parameters: dict[str, tuple[float, float]]) -> None:
        """``parameters``: half the distance of the minimum, nm, and depth, kJ/mol, by element or "polar"."""
        half, depth = np.array([parameters[kind] for kind in _kinds(topology, parameters)]).T
        bonds = dijkstra(bonded_matrix(topology), unweighted=True)
        self._square = (half[:, None] + half) ** 2
        self._depth = np.where(bonds > FARTHEST_BONDED, np.sqrt(depth[:, None] * depth), 0.0)

    def with_others(self, chosen: NDArray[np.intp], positions: Floats, atoms: Floats) -> Floats:
        """Energy (...,) of ``chosen`` atoms at ``positions`` (..., chosen, 3) with all others of ``atoms`` (..., N, 3).

        Leading axes broadcast against each other.
        """
        others = np.setdiff1d(np.arange(len(self._depth)), chosen)
        return self._energy(chosen, others, positions, atoms[..., others, :])

    def within(self, chosen: NDArray[np.intp], positions: Floats) -> Floats:
        """Energy (...,) of ``chosen`` atoms at ``positions`` (..., chosen, 3) among themselves."""
        return 0.5 * self._energy(chosen, chosen, positions, positions)

    def _energy(self, first: NDArray[np.intp], second: NDArray[np.intp], left: Floats, right: Floats) -> Floats:
        depth = self._depth[np.ix_(first, second)]
        near, far = np.nonzero(depth)
        separation = left[..., near, :] - right[..., far, :]
        square = np.maximum((separation**2).sum(-1), CLOSEST**2)
        sixth = (self._square[first[near], second[far]] / square) ** 3
        return np.asarray((depth[near, far] * (sixth * sixth - 2 * sixth)).sum(-1))


def _kinds(topology: mdtraj.Topology, parameters: dict[str, tuple[float, float]]) -> list[str]:
    partners: dict[int, str] = {}
    for first, second in topology.bonds:
        partners[first.index], partners[second.index] = second.element.symbol, first.element.symbol
    kinds = []
    for atom in topology.atoms:
        symbol = atom.element.symbol if atom.element is not None else UNKNOWN
        polar = symbol == "H" and partners.get(atom.index) in POLAR
        kinds.append("polar" if polar else symbol if symbol in parameters else UNKNOWN)
    return kinds
