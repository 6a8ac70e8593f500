"""Topologies of every format come out with the same names, elements and bonds."""

from importlib.resources import files

import mdtraj
import numpy as np
import pytest

from backmapbench.datasets.catalogue import ROOT
from backmapbench.datasets.readers import read_topology
from backmapbench.errors import DataError

ADP = ROOT / "recipes" / "ace-ala-nme.pdb"
CHARMM_NAMES = {
    "ACE": {"CH3": "CAY", "H1": "HY1", "H2": "HY2", "H3": "HY3", "C": "CY", "O": "OY"},
    "ALA": {"H": "HN"},
    "NME": {"N": "NT", "H": "HNT", "C": "CAT", "H1": "HT1", "H2": "HT2", "H3": "HT3"},
}


def _bonds(topology):
    return {frozenset((str(a), str(b))) for a, b in topology.bonds}


@pytest.fixture(scope="module")
def adp():
    return mdtraj.load(str(ADP))


@pytest.fixture(scope="module")
def villin():
    whole = mdtraj.load(str(files("openmm.app") / "data" / "test.pdb"))
    return whole.atom_slice(whole.topology.select("protein"))


def write_psf(path, topology, *, caps_inside, first=1, step=1, masses=True):
    """A CHARMM structure file, with the caps inside the amino acid as CHARMM-GUI writes them."""
    atoms = list(topology.atoms)
    lines = ["PSF EXT CMAP XPLOR", "", "       1 !NTITLE", "* a peptide", "", f"{len(atoms):10d} !NATOM"]
    for k, atom in enumerate(atoms):
        name = CHARMM_NAMES[atom.residue.name].get(atom.name, atom.name) if caps_inside else atom.name
        residue = "1 ALA" if caps_inside else f"{atom.residue.resSeq} {atom.residue.name}"
        mass = {"H": 3.024}.get(atom.element.symbol, atom.element.mass) if masses else 0.0
        lines.append(f"{first + step * k:10d} PROA     {residue}     {name:<8s} CT 0.000000 {mass:10.4f} 0")
    numbers = [str(first + step * end.index) for pair in topology.bonds for end in pair]
    lines += ["", f"{len(numbers) // 2:10d} !NBOND: bonds"]
    lines += [" ".join(numbers[k : k + 8]) for k in range(0, len(numbers), 8)]
    path.write_text("\n".join([*lines, "", "         0 !NTHETA", ""]))


def write_prmtop(path, topology):
    """The sections of an AMBER topology that name atoms, masses and bonds."""
    atoms, residues = list(topology.atoms), list(topology.residues)
    hydrogen = [[3 * a.index, 3 * b.index, 1] for a, b in topology.bonds if "H" in (a.element.symbol, b.element.symbol)]
    heavy = [
        [3 * a.index, 3 * b.index, 1] for a, b in topology.bonds if "H" not in (a.element.symbol, b.element.symbol)
    ]
    pointers = [len(atoms), 1, len(hydrogen), len(heavy), *[0] * 7, len(residues), len(heavy), *[0] * 18]
    sections = {
        "POINTERS": ("10I8", pointers),
        "ATOM_NAME": ("20a4", [atom.name for atom in atoms]),
        "CHARGE": ("5E16.8", [0.0] * len(atoms)),
        "ATOMIC_NUMBER": ("10I8", [atom.element.number for atom in atoms]),
        "MASS": ("5E16.8", [atom.element.mass for atom in atoms]),
        "RESIDUE_LABEL": ("20a4", [residue.name for residue in residues]),
        "RESIDUE_POINTER": ("10I8", [residue.atom(0).index + 1 for residue in residues]),
        "BONDS_INC_HYDROGEN": ("10I8", np.ravel(hydrogen)),
        "BONDS_WITHOUT_HYDROGEN": ("10I8", np.ravel(heavy)),
        "AMBER_ATOM_TYPE": ("20a4", ["CT"] * len(atoms)),
    }
    write = {"20a4": lambda v: f"{v:<4s}", "10I8": lambda v: f"{v:8d}", "5E16.8": lambda v: f"{v:16.8E}"}
    lines = ["%VERSION  VERSION_STAMP = V0001.000  DATE = 01/01/00  00:00:00"]
    for name, (form, values) in sections.items():
        count = int(form.split("a")[0].split("I")[0].split("E")[0])
        words = [write[form](value) for value in values]
        lines += [f"%FLAG {name:<74s}", f"%FORMAT({form})"]
        lines += ["".join(words[k : k + count]) for k in range(0, max(len(words), 1), count)]
    path.write_text("\n".join(lines) + "\n")


def test_a_pdb_file_as_mdtraj_reads_it(villin, tmp_path):
    villin.save(str(tmp_path / "v.pdb"))
    topology = read_topology(tmp_path / "v.pdb")
    assert [str(atom) for atom in topology.atoms] == [str(atom) for atom in villin.topology.atoms]
    assert [atom.element for atom in topology.atoms] == [atom.element for atom in villin.topology.atoms]
    assert _bonds(topology) == _bonds(villin.topology)


@pytest.mark.parametrize("suffix", ["pdb", "gro", "h5", "psf", "prmtop"])
def test_every_format_gives_the_same_molecule(adp, tmp_path, suffix):
    path = tmp_path / f"adp.{suffix}"
    if suffix == "h5":
        pytest.importorskip("tables", reason="h5 files need PyTables")
    if suffix == "psf":
        write_psf(path, adp.topology, caps_inside=False)
    elif suffix == "prmtop":
        write_prmtop(path, adp.topology)
    else:
        adp.save(str(path))
    topology, reference = read_topology(path), adp.topology
    assert [(a.residue.name, a.name, a.element) for a in topology.atoms] == [
        (a.residue.name, a.name, a.element) for a in reference.atoms
    ]
    assert _bonds(topology) == _bonds(reference)
    assert len(_bonds(reference)) == 21


@pytest.mark.parametrize(("first", "step", "masses"), [(1, 1, True), (2, 3, False)])
def test_charmm_caps_inside_residues_and_gaps_in_the_numbers(adp, tmp_path, first, step, masses):
    write_psf(tmp_path / "adp.psf", adp.topology, caps_inside=True, first=first, step=step, masses=masses)
    topology = read_topology(tmp_path / "adp.psf")
    assert [str(atom) for atom in topology.atoms] == [
        str(a).replace("ACE1", "ACE0").replace("ALA2", "ALA1").replace("NME3", "NME2") for a in adp.topology.atoms
    ]
    assert [atom.element for atom in topology.atoms] == [atom.element for atom in adp.topology.atoms]
    assert topology.n_bonds == 21


def test_a_psf_as_mdanalysis_reads_it(adp, tmp_path):
    mdanalysis = pytest.importorskip("MDAnalysis", reason="the oracle is MDAnalysis")
    path = tmp_path / "adp.psf"
    write_psf(path, adp.topology, caps_inside=True)
    oracle = mdanalysis.Universe(str(path))
    topology = read_topology(path)
    assert {frozenset(map(int, pair)) for pair in oracle.bonds.indices} == {
        frozenset((a.index, b.index)) for a, b in topology.bonds
    }


def test_charmm_pdb_files_get_their_elements_from_the_names(adp, tmp_path):
    """Names in column 13 and no element column: HT1 and HN read as anything but hydrogen."""
    lines = []
    for line in ADP.read_text().splitlines():
        if line.startswith(("ATOM", "HETATM")):
            name = {"H": "HN"}.get(line[12:16].strip(), line[12:16].strip())
            lines.append(f"{line[:12]}{name:<4s}{line[16:66]}")
    (tmp_path / "charmm.pdb").write_text("\n".join(lines))
    topology = read_topology(tmp_path / "charmm.pdb")
    assert [atom.element for atom in topology.atoms] == [atom.element for atom in adp.topology.atoms]
    assert _bonds(topology) == _bonds(adp.topology)


def test_wrong_bonds_of_cap_hydrogens_are_repaired(adp, tmp_path):
    """The methyl hydrogens of N-methyl amide called H, H2, H3, as a table for amino acids makes them."""
    text = ADP.read_text().replace("  H1  NME", "  H   NME")
    (tmp_path / "nme.pdb").write_text("\n".join(line for line in text.splitlines() if "CONECT" not in line))
    assert _bonds(read_topology(tmp_path / "nme.pdb")) == _bonds(adp.topology)


def test_conect_tells_the_bonds_of_residues_that_are_not_standard(tmp_path):
    lines = [
        "HETATM    1  C1  LIG A   1       0.000   0.000   0.000  1.00  0.00           C",
        "HETATM    2 CL1  LIG A   1       1.770   0.000   0.000  1.00  0.00          CL",
        "HETATM    3  H1  LIG A   1      -0.500   0.900   0.000  1.00  0.00           H",
    ]
    (tmp_path / "lig.pdb").write_text("\n".join([*lines, "CONECT    1    2    3", "END"]))
    topology = read_topology(tmp_path / "lig.pdb")
    assert _bonds(topology) == {frozenset(("LIG1-C1", "LIG1-CL1")), frozenset(("LIG1-C1", "LIG1-H1"))}
    assert [atom.element.symbol for atom in topology.atoms] == ["C", "Cl", "H"]
    (tmp_path / "bare.pdb").write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"bare.pdb: no bond reaches LIG1-C1, LIG1-CL1, LIG1-H1; add CONECT"):
        read_topology(tmp_path / "bare.pdb")


def _glycines(numbers, xs, chain="A"):
    """N, CA, C of glycines at x, x + 1.4, x + 2.8 Angstrom."""
    rows = [(n, name, x + 1.4 * k) for n, x in zip(numbers, xs, strict=True) for k, name in enumerate(("N", "CA", "C"))]
    return [
        f"ATOM  {s + 1:5d}  {name:<3s} GLY {chain}{n:4d}    {x:8.3f}   0.000   0.000  1.00  0.00           {name[0]}"
        for s, (n, name, x) in enumerate(rows)
    ]


@pytest.mark.parametrize(
    ("numbers", "xs", "joined"),
    [((1, 2), (0.0, 4.2), True), ((1, 2), (0.0, 30.0), True), ((1, 9), (0.0, 30.0), False), ((1, 9), (0.0, 4.2), True)],
    ids=["neighbours", "wrapped", "gap", "renumbered"],
)
def test_peptide_bonds_follow_numbers_or_distance(tmp_path, numbers, xs, joined):
    (tmp_path / "g.pdb").write_text("\n".join(_glycines(numbers, xs)))
    topology = read_topology(tmp_path / "g.pdb")
    assert (topology.n_bonds == 5) == joined
    assert topology.n_bonds in {4, 5}


def test_a_ter_line_ends_a_chain(tmp_path):
    lines = _glycines((1, 2), (0.0, 4.2))
    (tmp_path / "g.pdb").write_text("\n".join([*lines[:3], "TER", *lines[3:]]))
    topology = read_topology(tmp_path / "g.pdb")
    assert (topology.n_chains, topology.n_bonds) == (2, 4)


def test_disulfide_bridges_by_distance_and_thiols_left_alone(tmp_path):
    def cysteines(thiol):
        names = ["N", "CA", "C", "CB", "SG", *(["HG"] if thiol else [])]
        places = {"N": (0, 0), "CA": (1.4, 0), "C": (2.8, 0), "CB": (1.4, 1.5), "SG": (1.4, 3.0), "HG": (2.5, 3.0)}
        rows = [(1, name, *places[name]) for name in names]
        rows += [(5, name, places[name][0], 8.0 - places[name][1]) for name in names]
        return "\n".join(
            f"ATOM  {s + 1:5d}  {name:<3s} CYX A{n:4d}    {x:8.3f}{y:8.3f}   0.000  1.00  0.00           {name[0]}"
            for s, (n, name, x, y) in enumerate(rows)
        )

    for thiol, expected in ((False, 1), (True, 0)):
        (tmp_path / "c.pdb").write_text(cysteines(thiol))
        topology = read_topology(tmp_path / "c.pdb")
        assert sum(a.name == b.name == "SG" for a, b in topology.bonds) == expected
        assert {residue.name for residue in topology.residues} == {"CYS"}


def test_the_first_alternate_location_is_kept(tmp_path):
    lines = _glycines((1,), (0.0,))
    double = lines[1][:16] + "B" + lines[1][17:30] + "   9.000" + lines[1][38:]
    lines[1] = lines[1][:16] + "A" + lines[1][17:]
    (tmp_path / "alt.pdb").write_text("\n".join([lines[0], lines[1], double, lines[2]]))
    assert read_topology(tmp_path / "alt.pdb").n_atoms == 3


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.pdb", "", "has no ATOM or HETATM lines"),
        ("cut.pdb", "MODEL 1\n" + "\n".join(_glycines((1,), (0.0,))), "ends inside model 1"),
        (
            "double.pdb",
            "\n".join(_glycines((1,), (0.0,)) + _glycines((1,), (0.0,))[:1]),
            "GLY1 has atom N more than once",
        ),
        ("trace.pdb", _glycines((1,), (0.0,))[1] + "\n" + _glycines((2,), (3.8,))[1], "a CA trace"),
        ("text.psf", "hello", "does not begin with PSF"),
        ("short.psf", "PSF\n\n       5 !NATOM\n1 A 1 GLY N NH1 0.0 14.0\n", "claims 5 entries"),
        ("text.gro", "hello\n", "not a readable topology"),
        ("text.prmtop", "hello\n", "not a readable topology"),
        ("some.mol2", "", "'.mol2' is no topology format"),
    ],
)
def test_what_cannot_be_read_is_one_clear_error(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message) as caught:
        read_topology(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.pdb: no such file"):
        read_topology(tmp_path / "nowhere.pdb")
