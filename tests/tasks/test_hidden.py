"""Torsions that beads do not fix."""

import mdtraj
import numpy as np
import pytest

from backmapbench.coarse_graining import atom_slice, ca
from backmapbench.tasks.hidden import rotatable_torsions


@pytest.fixture(scope="module")
def villin():
    from pathlib import Path

    import openmm.app

    path = Path(openmm.app.__file__).parent / "data" / "test.pdb"
    whole = mdtraj.load(str(path))
    return whole.atom_slice(whole.topology.select("protein")).topology


def test_alanine_dipeptide(task):
    """Methyls and peptide bonds turn; so do phi and psi, but their atoms are all beads."""
    labels = [
        tuple(str(task.system.topology.atom(atom)) for atom in quad[1:3])
        for quad in rotatable_torsions(task.system.topology, task.mapping)
    ]
    assert set(labels) == {
        ("ACE1-CH3", "ACE1-C"),
        ("ACE1-C", "ALA2-N"),
        ("ALA2-CA", "ALA2-CB"),
        ("ALA2-C", "NME3-N"),
        ("NME3-N", "NME3-C"),
    }


def test_rings_do_not_turn_and_beads_hide_nothing_they_fix(villin):
    found = rotatable_torsions(villin, ca(villin))
    bonds = {frozenset(quad[1:3].tolist()) for quad in found}
    assert len(bonds) == len(found)
    for residue in villin.residues:
        if residue.name in ("PHE", "TRP"):
            ring = {atom.index for atom in residue.atoms if atom.name in ("CG", "CD1", "CD2", "CE2", "CZ")}
            assert not any(bond <= ring for bond in bonds)
    everything = atom_slice(villin, [f"{a.residue.name}{a.residue.resSeq}:{a.name}" for a in villin.atoms])
    assert len(rotatable_torsions(villin, everything)) == 0


def test_every_torsion_is_bonded_in_a_row(villin):
    bonded = {frozenset((one.index, two.index)) for one, two in villin.bonds}
    for quad in rotatable_torsions(villin, ca(villin)):
        assert all(frozenset(pair) in bonded for pair in np.stack([quad[:-1], quad[1:]], axis=1).tolist())
        assert len(set(quad.tolist())) == 4
