"""Dialects of atom names, held against the residue templates of two force fields that OpenMM ships."""

import re
import xml.etree.ElementTree as ET
from importlib.resources import files

import mdtraj
import numpy as np
import pytest

from backmapbench.datasets.readers.bonds import within
from backmapbench.datasets.readers.names import canonical_parts, canonical_residues
from backmapbench.datasets.readers.prochiral import exchanged, methylene_groups

AMINO = {
    *("ALA", "ARG", "ASN", "ASP", "CYS", "GLN", "GLU", "GLY", "HIS", "ILE"),
    *("LEU", "LYS", "MET", "PHE", "PRO", "SER", "THR", "TRP", "TYR", "VAL"),
}
VARIANTS = {"HSD", "HSE", "HSP", "ASH", "CYM", "CYX", "GLH", "HID", "HIE", "HIP", "LYN", "NHE", "NME", "ACE"}


def _force_field(file):
    """Name, the same without the letter for an end, atoms and bonds of amino acids and caps, in its own names."""
    found = []
    residues = re.search(r"<Residues>.*?</Residues>", (files("openmm.app") / "data" / file).read_text(), re.DOTALL)
    for residue in ET.fromstring(residues.group()):  # noqa: S314
        name = residue.attrib["name"]
        plain = name[1:] if len(name) == 4 and name[0] in "NC" else name
        if plain in AMINO | VARIANTS:
            bonds = [(bond.attrib["atomName1"], bond.attrib["atomName2"]) for bond in residue.findall("Bond")]
            found.append((name, plain, [atom.attrib["name"] for atom in residue.findall("Atom")], bonds))
    return found


CHARMM, AMBER = _force_field("charmm36.xml"), _force_field("amber14/protein.ff14SB.xml")
DIALECTS = [pytest.param(*entry, id=entry[0]) for entry in (*CHARMM, *AMBER)]


def _residue(name, atoms):
    topology = mdtraj.Topology()
    residue = topology.add_residue(name, topology.add_chain(), 7)
    for atom in atoms:
        topology.add_atom(atom, mdtraj.element.carbon, residue)
    return topology


@pytest.mark.parametrize(("name", "plain", "atoms", "bonds"), DIALECTS)
def test_template_bonds_are_those_of_the_force_field(name, plain, atoms, bonds):
    (residue,) = canonical_residues(_residue(plain, atoms))
    assert len(set(residue.names)) == len(atoms)
    own = {frozenset(pair) for pair in within(residue)}
    theirs = {frozenset((atoms.index(a), atoms.index(b))) for a, b in bonds}
    assert own == theirs


def test_every_amino_acid_of_both_force_fields_is_tried():
    plain = AMINO - {"HIS"}
    assert {entry[1] for entry in CHARMM} >= plain | {"HSD", "HSE", "HSP"}
    for end in ("", "N", "C"):
        assert {entry[0] for entry in AMBER} >= {end + name for name in plain | {"HID", "HIE", "HIP", "CYX"}}


def test_both_dialects_name_the_same_atoms():
    amber = {name: atoms for name, plain, atoms, _ in AMBER if name == plain}
    alias = {"HSD": "HID", "HSE": "HIE", "HSP": "HIP"}
    for name, _, atoms, _ in CHARMM:
        other = alias.get(name, name)
        assert canonical_parts(name, atoms)[0][0] == canonical_parts(other, amber[other])[0][0]
        assert sorted(canonical_parts(name, atoms)[0][3]) == sorted(canonical_parts(other, amber[other])[0][3]), name


@pytest.mark.parametrize("methyl", [["HT1", "HT2", "HT3"], ["H", "H2", "H3"]], ids=["charmm", "renamed-by-mdtraj"])
def test_charmm_caps_inside_residues_become_residues(methyl):
    atoms = ["CAY", "HY1", "HY2", "HY3", "CY", "OY", "N", "HN", "CA", "HA", "CB", "HB1", "HB2", "HB3", "C", "O"]
    parts = canonical_parts("ALA", [*atoms, "NT", "HNT", "CAT", *methyl])
    assert [(name, shift) for name, shift, _, _ in parts] == [("ACE", -1), ("ALA", 0), ("NME", 1)]
    assert parts[0][3] == ["CH3", "H1", "H2", "H3", "C", "O"]
    assert parts[1][3] == ["N", "H", "CA", "HA", "CB", "HB1", "HB2", "HB3", "C", "O"]
    assert parts[2][3] == ["N", "H", "C", "H1", "H2", "H3"]
    assert [k for _, _, members, _ in parts for k in members] == list(range(22))


def test_an_amide_cap_inside_a_residue():
    atoms = ["N", "HN", "CA", "HA1", "HA2", "C", "O", "NT", "HT1", "HT2"]
    assert [(part[0], part[3]) for part in canonical_parts("GLY", atoms)] == [
        ("GLY", ["N", "H", "CA", "HA3", "HA2", "C", "O"]),
        ("NH2", ["N", "HN1", "HN2"]),
    ]


@pytest.mark.parametrize(
    ("residue", "atoms", "expected"),
    [
        ("NME", ["N", "H", "C", "H", "H2", "H3"], ["N", "H", "C", "H1", "H2", "H3"]),
        ("NMA", ["N", "HN", "CH3", "HH31", "HH32", "HH33"], ["N", "H", "C", "H1", "H2", "H3"]),
        ("PRO", ["N", "HN1", "HN2", "CA"], ["N", "H3", "H2", "CA"]),
        ("PRO", ["N", "H2", "H3", "CA"], ["N", "H2", "H3", "CA"]),
        ("ARG", ["C", "1OXT", "2OXT"], ["C", "O", "OXT"]),
        ("ARG", ["C", "OT1", "OT2"], ["C", "O", "OXT"]),
        ("ALA", ["N", "HT1", "HT2", "HT3", "1HB", "2HB", "3HB"], ["N", "H", "H2", "H3", "HB1", "HB2", "HB3"]),
        ("SOL", ["OW", "HW1", "HW2"], ["O", "H1", "H2"]),
        ("LIG", ["HN", "C1"], ["HN", "C1"]),
    ],
)
def test_names_that_depend_on_the_residue(residue, atoms, expected):
    assert canonical_parts(residue, atoms)[0][3] == expected


@pytest.fixture(scope="module")
def villin():
    """35 residues with hydrogens as GROMACS numbers them: like the PDB but for the ring of proline."""
    whole = mdtraj.load(str(files("openmm.app") / "data" / "test.pdb"))
    return whole.atom_slice(whole.topology.select("protein"))


def test_methylene_hydrogens_of_a_real_protein(villin):
    groups = methylene_groups(villin.topology)
    counted = sum(
        {f"H{carbon}2", f"H{carbon}3"} <= names and f"H{carbon}1" not in names
        for residue in villin.topology.residues
        for names in [{atom.name for atom in residue.atoms}]
        for carbon in ("A", "B", "G", "D", "E")
    )
    assert len(groups) == counted > 40
    proline = [villin.topology.atom(carbon).residue.name == "PRO" for carbon in groups[:, 0]]
    assert (exchanged(villin.xyz[0], groups) == proline).all()
    assert sum(proline) == 3


def test_exchanging_or_mirroring_hydrogens_is_seen(villin):
    groups = methylene_groups(villin.topology)
    before = exchanged(villin.xyz[0], groups)
    chosen = np.random.default_rng(1).random(len(groups)) < 0.5
    moved = villin.xyz[0].copy()
    low, high = groups[chosen, 3], groups[chosen, 4]
    moved[low], moved[high] = villin.xyz[0][high], villin.xyz[0][low]
    assert (exchanged(moved, groups) == (before ^ chosen)).all()
    assert (exchanged(-villin.xyz[0], groups) == ~before).all()
