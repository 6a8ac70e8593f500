"""Which atoms and residues a metric looks at, by name and element."""

from __future__ import annotations

import mdtraj
import numpy as np
from numpy.typing import NDArray

from backmapbench.errors import DataError

BACKBONE = frozenset({"N", "CA", "C", "O", "OXT", "OT1", "OT2", "O1", "O2"})
"""Backbone heavy atoms, terminal oxygens included under their usual names."""


def symbol(atom: mdtraj.core.topology.Atom) -> str:
    """Element symbol of ``atom``. Raises DataError for an atom without an element."""
    if atom.element is None:
        raise DataError(f"atom {atom} has no element; fill the element column of the topology's PDB file")
    return str(atom.element.symbol)


def heavy_atoms(topology: mdtraj.Topology) -> NDArray[np.intp]:
    """Indices of all atoms but hydrogen. Raises DataError where there are none."""
    found = [atom.index for atom in topology.atoms if symbol(atom) != "H"]
    if not found:
        raise DataError(f"the topology's {topology.n_atoms} atoms hold no heavy atom; give one with heavy atoms")
    return np.array(found, dtype=np.intp)


def amino_acids(topology: mdtraj.Topology) -> list[mdtraj.core.topology.Residue]:
    """Amino-acid residues: those with backbone atoms N, CA and C. Caps (ACE, NME, NH2) lack one of them."""
    return [residue for residue in topology.residues if {"N", "CA", "C"} <= {atom.name for atom in residue.atoms}]


def neighbours(topology: mdtraj.Topology) -> list[list[int]]:
    """Indices of the atoms bonded to each atom, ascending. Raises DataError for a topology without bonds."""
    if topology.n_bonds == 0 and topology.n_atoms > 1:
        raise DataError(f"the topology's {topology.n_atoms} atoms have no bonds; add CONECT records to its PDB file")
    bonded: list[set[int]] = [set() for _ in range(topology.n_atoms)]
    for first, second in topology.bonds:
        bonded[first.index].add(second.index)
        bonded[second.index].add(first.index)
    return [sorted(found) for found in bonded]


def backbone_atoms(topology: mdtraj.Topology) -> NDArray[np.intp]:
    """Indices of the backbone heavy atoms of amino-acid residues; caps have none. (0,) where there is none."""
    return _of_residues(topology, backbone=True)


def side_chain_atoms(topology: mdtraj.Topology) -> NDArray[np.intp]:
    """Indices of the side-chain heavy atoms of amino-acid residues; glycine has none. (0,) where there is none."""
    return _of_residues(topology, backbone=False)


def _of_residues(topology: mdtraj.Topology, *, backbone: bool) -> NDArray[np.intp]:
    found = [
        atom.index
        for residue in amino_acids(topology)
        for atom in residue.atoms
        if symbol(atom) != "H" and (atom.name in BACKBONE) == backbone
    ]
    return np.array(found, dtype=np.intp)
