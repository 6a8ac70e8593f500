"""Torsions that beads do not fix, found from topology and mapping."""

from __future__ import annotations

import mdtraj
import networkx as nx
import numpy as np
from numpy.typing import NDArray

from backmapbench.coarse_graining import CoarseMapping


def rotatable_torsions(topology: mdtraj.Topology, mapping: CoarseMapping) -> NDArray[np.intp]:
    """One torsion about every bond that can turn and whose four atoms are not all beads: int (torsions, 4).

    Bonds in rings and bonds to an atom without another neighbour do not turn. The outer atoms are beads where there is
    a choice, then heavy, then those of lowest index; a torsion whose four atoms are all beads is left out: they fix it.
    """
    graph = topology.to_bondgraph()
    index = {atom: atom.index for atom in topology.atoms}
    turning = nx.bridges(graph)
    beads = set(mapping.slice_atoms.tolist()) if mapping.is_slice else set()
    found = []
    for bond in turning:
        first, second = sorted(bond, key=lambda atom: index[atom])
        ends = [_outer(graph, first, second, beads), _outer(graph, second, first, beads)]
        if None in ends:
            continue
        quad = [index[ends[0]], index[first], index[second], index[ends[1]]]
        if not set(quad) <= beads:
            found.append(quad)
    return np.array(sorted(found, key=lambda quad: quad[1:3]), dtype=np.intp).reshape(-1, 4)


def _outer(
    graph: nx.Graph, inner: mdtraj.core.topology.Atom, other: mdtraj.core.topology.Atom, beads: set[int]
) -> mdtraj.core.topology.Atom | None:
    """The neighbour of ``inner`` that the torsion is measured from; None where ``other`` is its only one."""
    free = [atom for atom in graph.neighbors(inner) if atom is not other]
    return min(free, key=lambda atom: (atom.index not in beads, atom.element.symbol == "H", atom.index), default=None)
