"""Mappings chosen by residue and atom NAME: indices differ between sources, names do not."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import mdtraj
import numpy as np

from backmapbench.coarse_graining.mapping import CoarseMapping
from backmapbench.errors import CardError


def atom_label(atom: mdtraj.core.topology.Atom) -> str:
    """``RESIDUE+NUMBER:ATOM``, for example ``ALA2:CA``."""
    return f"{atom.residue.name}{atom.residue.resSeq}:{atom.name}"


def atom_index(topology: mdtraj.Topology, label: str) -> int:
    """Index of the atom called ``label``. Raises CardError with close names when there is not exactly one."""
    return atom_indices(topology, [label])[0]


def atom_indices(topology: mdtraj.Topology, labels: Sequence[str]) -> list[int]:
    """Index of the atom called by each label. Raises CardError with close names when there is not exactly one."""
    found: dict[str, list[int]] = {}
    for atom in topology.atoms:
        found.setdefault(atom_label(atom), []).append(atom.index)
    for label in labels:
        if len(found.get(label, ())) != 1:
            close = difflib.get_close_matches(label, found, n=3)
            hint = f"; did you mean {', '.join(close)}?" if close else ""
            raise CardError(f"{len(found.get(label, ()))} atoms are called '{label}'{hint}")
    return [found[label][0] for label in labels]


def atom_slice(topology: mdtraj.Topology, labels: Sequence[str]) -> CoarseMapping:
    """Each bead is the one atom called by its label, as ADP's six beads in Shmilovich 2022 sec. 2.5.1."""
    indices = [[index] for index in atom_indices(topology, labels)]
    return CoarseMapping.from_groups(indices, topology.n_atoms, labels)


def centre_of_geometry(
    topology: mdtraj.Topology, groups: Sequence[Sequence[str]], names: Sequence[str]
) -> CoarseMapping:
    """Each bead is the plain mean of the atoms called by its labels."""
    indices = [atom_indices(topology, group) for group in groups]
    return CoarseMapping.from_groups(indices, topology.n_atoms, names)


def centre_of_mass(topology: mdtraj.Topology, groups: Sequence[Sequence[str]], names: Sequence[str]) -> CoarseMapping:
    """Each bead is the mass-weighted mean of the atoms called by its labels; masses of the elements, amu."""
    indices = [atom_indices(topology, group) for group in groups]
    masses = np.array([atom.element.mass for atom in topology.atoms])
    return CoarseMapping.from_groups(indices, topology.n_atoms, names, masses)
