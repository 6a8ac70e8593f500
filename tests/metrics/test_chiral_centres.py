"""Chiral centres from topology: amino acids with and without hydrogens, symmetry, handedness."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import mdtraj
import numpy as np
import pytest
from numpy.typing import NDArray

from backmapbench.errors import DataError
from backmapbench.metrics.chiral_centres import chiral_centres, equivalent_atoms, signed_volumes
from backmapbench.metrics.selections import neighbours

MakeTopology = Callable[..., mdtraj.Topology]
BACKBONE = [("N", "CA"), ("CA", "C"), ("C", "O")]
SIDE_CHAINS = {
    "GLY": [],
    "ALA": [("CA", "CB")],
    "VAL": [("CA", "CB"), ("CB", "CG1"), ("CB", "CG2")],
    "LEU": [("CA", "CB"), ("CB", "CG"), ("CG", "CD1"), ("CG", "CD2")],
    "ILE": [("CA", "CB"), ("CB", "CG1"), ("CB", "CG2"), ("CG1", "CD1")],
    "THR": [("CA", "CB"), ("CB", "OG1"), ("CB", "CG2")],
    "PRO": [("CA", "CB"), ("CB", "CG"), ("CG", "CD"), ("CD", "N")],
}
VALENCE = {"C": 4, "N": 3, "O": 2}


def peptide(sequence: list[str], hydrogens: bool, make_topology: MakeTopology) -> mdtraj.Topology:
    """A chain of residues, hydrogens filling valences (carbonyls as if protonated, which changes no sp3 carbon)."""
    residues, bonds, names = [], [], []
    for name in sequence:
        pairs = BACKBONE + SIDE_CHAINS[name]
        atoms = list(dict.fromkeys(atom for pair in pairs for atom in pair))
        start = len(names)
        names += atoms
        bonds += [(start + atoms.index(a), start + atoms.index(b)) for a, b in pairs]
        residues.append((name, " ".join(atoms)))
    starts = np.cumsum([0] + [len(atoms.split()) for _, atoms in residues]).tolist()
    for left, right in pairwise(starts[:-1]):
        bonds.append((left + names[left:].index("C"), right))
    if hydrogens:
        degree = np.bincount(np.ravel(bonds), minlength=len(names))
        extra = [i for i, name in enumerate(names) for _ in range(VALENCE[name[0]] - degree[i]) if name != "C"]
        residues.append(("HYD", " ".join(f"H{k}" for k in range(len(extra)))))
        bonds += [(parent, len(names) + k) for k, parent in enumerate(extra)]
    return make_topology([residues], bonds=bonds)


@pytest.mark.parametrize("hydrogens", [True, False])
def test_amino_acids(hydrogens: bool, make_topology: MakeTopology) -> None:
    sequence = ["GLY", "ALA", "VAL", "LEU", "ILE", "THR", "PRO", "GLY"]
    topology = peptide(sequence, hydrogens, make_topology)
    found = chiral_centres(topology)
    labels = [f"{topology.atom(i).residue.name}:{topology.atom(i).name}" for i in found[:, 0]]
    assert labels == ["ALA:CA", "VAL:CA", "LEU:CA", "ILE:CA", "ILE:CB", "THR:CA", "THR:CB", "PRO:CA"]
    around = [{topology.atom(i).name for i in row[1:]} for row in found]
    assert around[0] == {"N", "C", "CB"}
    assert around[4] == {"CA", "CG1", "CG2"}
    assert around[6] == {"CA", "OG1", "CG2"}


def test_hydrogens_change_no_centre_and_no_neighbour(make_topology: MakeTopology) -> None:
    sequence = ["ALA", "THR", "ILE"]
    bare, full = (chiral_centres(peptide(sequence, h, make_topology)) for h in (False, True))
    np.testing.assert_array_equal(bare, full)


def test_alanine_dipeptide(topology: mdtraj.Topology, rest: NDArray) -> None:
    centres = chiral_centres(topology)
    assert centres.tolist() == [[8, 6, 10, 14]]  # CA with N, CB, C
    n, cb, c = (rest[i].astype(float) - rest[8] for i in (6, 10, 14))
    assert signed_volumes(rest, centres)[0] == pytest.approx(np.linalg.det([n, cb, c]))
    # L-amino acids have a positive volume for (N, C, CB), 2.5 cubic Angstrom (Engh and Huber 1991); here (N, CB, C).
    assert signed_volumes(rest, centres)[0] == pytest.approx(-0.0026, abs=0.0003)


def test_any_molecule_with_four_different_neighbours(make_topology: MakeTopology) -> None:
    bromine_free = make_topology([[("MOL", "C S O N H")]], bonds=[(0, k) for k in range(1, 5)])
    assert chiral_centres(bromine_free).tolist() == [[0, 1, 2, 3]]
    two_alike = make_topology([[("MOL", "C S O H H")]], bonds=[(0, k) for k in range(1, 5)])
    assert chiral_centres(two_alike).shape == (0, 4)


def test_branches_that_differ_far_away_differ(make_topology: MakeTopology) -> None:
    def chain(atoms: str) -> mdtraj.Topology:
        # C0 with H, S and two arms of three atoms whose ends are given
        return make_topology(
            [[("MOL", f"C H S C1 C2 {atoms[0]}3 C4 C5 {atoms[1]}6")]],
            bonds=[(0, 1), (0, 2), (0, 3), (3, 4), (4, 5), (0, 6), (6, 7), (7, 8)],
        )

    assert len(chiral_centres(chain("OO"))) == 0
    assert chiral_centres(chain("ON"))[:, 0].tolist() == [0]


def test_equivalent_atoms_of_the_molecule(topology: mdtraj.Topology) -> None:
    elements = [atom.element.symbol for atom in topology.atoms]
    classes = equivalent_atoms(elements, neighbours(topology))
    groups = {tuple(np.flatnonzero(classes == k).tolist()) for k in classes}
    assert {group for group in groups if len(group) > 1} == {(0, 2, 3), (11, 12, 13), (19, 20, 21)}


def test_volume_changes_sign_in_the_mirror_and_not_by_rotation(topology: mdtraj.Topology, frames: object) -> None:
    xyz = frames.flat.astype(np.float64)
    centres = chiral_centres(topology)
    volumes = signed_volumes(xyz, centres)
    np.testing.assert_allclose(signed_volumes(xyz * [1, -1, 1], centres), -volumes, rtol=1e-12)
    np.testing.assert_allclose(signed_volumes(xyz[..., [1, 2, 0]] + 3.0, centres), volumes, rtol=1e-9)


def test_a_topology_without_bonds_is_refused(make_topology: MakeTopology) -> None:
    with pytest.raises(DataError, match="have no bonds"):
        chiral_centres(make_topology([[("ALA", "N CA C CB")]]))
