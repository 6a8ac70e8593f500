"""Atoms found by residue and name, whatever the order and dialect."""

from importlib.resources import files

import mdtraj
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backmapbench.datasets.catalogue import ROOT
from backmapbench.datasets.readers import match_atoms, read_topology
from backmapbench.errors import DataError

ADP = read_topology(ROOT / "recipes" / "ace-ala-nme.pdb")
VILLIN = mdtraj.load_topology(str(files("openmm.app") / "data" / "test.pdb"))
PROTEIN = VILLIN.subset(VILLIN.select("protein"))
DIALECT = {"H": "HN", "HB3": "HB1", "HG3": "HG1", "HD3": "HD1", "HE3": "HE1", "CD1": "CD", "HA3": "HA1", "O": "OT1"}


def shuffled(topology, seed, rename=None, residues=None):
    """The same residues with their atoms in another order; returns the old index of each new atom."""
    rng = np.random.default_rng(seed)
    new, order = mdtraj.Topology(), []
    chain = new.add_chain()
    for residue in topology.residues:
        copy = new.add_residue((residues or {}).get(residue.name, residue.name), chain, residue.resSeq + 40)
        for k in rng.permutation(residue.n_atoms):
            atom = residue.atom(int(k))
            new.add_atom((rename or (lambda atom: atom.name))(atom), atom.element, copy)
            order.append(atom.index)
    return new, np.array(order)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_any_order_within_residues_is_undone(seed):
    have, order = shuffled(PROTEIN, seed)
    match = match_atoms(have, PROTEIN)
    assert (order[match.indices] == np.arange(PROTEIN.n_atoms)).all()
    assert match.missing == match.extra == match.renamed == ()
    assert (match.reordered == 0) == (match.indices == np.arange(PROTEIN.n_atoms)).all()


def test_the_same_topology_matches_in_place():
    match = match_atoms(ADP, ADP)
    assert match.indices.tolist() == list(range(22))
    assert match.report == "22 of 22 atoms matched; 0 reordered"


def test_another_dialect_matches_and_is_reported():
    def charmm(atom):
        chosen = atom.name
        if atom.residue.name == "ILE" or chosen in {"H", "HA3", "HB3", "HG3"}:
            chosen = DIALECT.get(chosen, chosen)
        elif atom.residue.name in {"LYS", "PRO", "ARG"}:
            chosen = {"HD3": "HD1", "HE3": "HE1"}.get(chosen, chosen)
        return chosen if atom.residue.name != "ALA" or chosen == "HN" else atom.name

    have, order = shuffled(PROTEIN, 3, charmm, {"HIS": "HSE", "ASP": "ASPP"})
    match = match_atoms(have, PROTEIN)
    assert (order[match.indices] == np.arange(PROTEIN.n_atoms)).all()
    assert len(match.renamed) > 80
    assert any(text.endswith("from HN") for text in match.renamed)
    assert "renamed" in match.report


def test_extra_atoms_residues_and_water_are_reported_not_matched():
    heavy = [a.index for a in PROTEIN.atoms if a.element.symbol != "H" and 4 <= a.residue.index < 20]
    want = PROTEIN.subset(heavy)
    match = match_atoms(VILLIN, want)
    assert match.indices.tolist() == heavy
    assert len(match.extra) == VILLIN.n_atoms - len(heavy)
    assert "extra" in match.report


def test_missing_atoms_are_named():
    have = ADP.subset([atom.index for atom in ADP.atoms if atom.name not in {"HB2", "O"}])
    with pytest.raises(DataError, match=r"19 of 22 atoms matched; 3 missing \(ACE1-O ALA2-HB2 ALA2-O\)"):
        match_atoms(have, ADP)


def test_another_molecule_is_refused():
    with pytest.raises(DataError, match=r"residues do not match: ACE ALA NME \(3 residues\) is not part of LEU SER"):
        match_atoms(PROTEIN, ADP)


def _copies(topology, numbers):
    new = mdtraj.Topology()
    for number in numbers:
        chain = new.add_chain()
        for residue in topology.residues:
            copy = new.add_residue(residue.name, chain, residue.resSeq + number)
            for atom in residue.atoms:
                new.add_atom(atom.name, atom.element, copy)
    return new


def test_of_several_copies_the_numbers_choose():
    assert match_atoms(_copies(ADP, (100, 0)), ADP).indices.tolist() == list(range(22, 44))
    assert match_atoms(_copies(ADP, (0, 100)), ADP).indices.tolist() == list(range(22))


def test_copies_that_nothing_tells_apart_are_refused():
    with pytest.raises(DataError, match="match in 2 places: ACE ALA NME begins at ACE51, ACE101"):
        match_atoms(_copies(ADP, (50, 100)), ADP)


def test_all_copies_are_matched_when_all_are_wanted():
    assert match_atoms(_copies(ADP, (0, 0)), _copies(ADP, (0, 50))).indices.tolist() == list(range(44))
