"""Recipes, start structures and Systems: what is simulated is what the recipe says."""

import numpy as np
import openmm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backmapbench.datasets.simulation import load_recipe, protein_recipe, recipe_names, simulate
from backmapbench.datasets.simulation.peptide import (
    build_peptide,
    clean_protein,
    dihedral,
    set_torsions,
    torsion_atoms,
)
from backmapbench.datasets.simulation.run import load_trajectory
from backmapbench.datasets.simulation.starts import longest_stretch, start_positions
from backmapbench.datasets.simulation.systems import build, replicate
from backmapbench.errors import CardError, DataError, UnknownNameError

CHIGNOLIN = "YYDPETGTWY"


@pytest.fixture(scope="module")
def chignolin():
    return build_peptide(CHIGNOLIN)


def _handedness(topology, xyz):
    for residue in topology.residues():
        atoms = {atom.name: atom.index for atom in residue.atoms()}
        if {"N", "CA", "C", "CB"} <= set(atoms):
            n, ca, c, cb = (xyz[atoms[name]] for name in ("N", "CA", "C", "CB"))
            yield float(np.dot(np.cross(n - ca, c - ca), cb - ca))


def test_chignolin_has_its_175_atoms_all_of_them_l(chignolin):
    topology, xyz = chignolin
    assert topology.getNumAtoms() == 175
    assert [residue.name for residue in topology.residues()][::11] == ["ACE", "NME"]
    assert [residue.id for residue in topology.residues()][1] == "1"
    signs = list(_handedness(topology, xyz))
    assert len(signs) == 9  # glycine has no CB
    assert min(signs) > 0


@settings(max_examples=20)
@given(st.text(alphabet="ARNDCQEGHILKMFPSTWYV", min_size=1, max_size=6))
def test_every_sequence_is_built_with_l_amino_acids_and_trans_bonds(sequence):
    topology, xyz = build_peptide(sequence)
    assert topology.getNumResidues() == len(sequence) + 2
    assert all(sign > 0 for sign in _handedness(topology, xyz))
    for (name, _), quad in torsion_atoms(topology).items():
        if name == "omega":
            assert abs(dihedral(*xyz[list(quad)])) > np.deg2rad(170)


def test_unknown_letters_are_refused():
    with pytest.raises(CardError, match=r"unknown letters \['1', 'X'\]"):
        build_peptide("AX1")


@settings(max_examples=15)
@given(st.data())
def test_torsions_take_the_values_they_are_set_to_and_bonds_keep_their_length(chignolin, data):
    topology, xyz = chignolin
    atoms = torsion_atoms(topology)
    keys = data.draw(st.lists(st.sampled_from(sorted(atoms)), min_size=1, max_size=6, unique=True))
    targets = [(atoms[key], data.draw(st.floats(-3.1, 3.1))) for key in keys]
    turned = set_torsions(topology, xyz, targets)
    for quad, value in targets:
        assert np.exp(1j * dihedral(*turned[list(quad)])) == pytest.approx(np.exp(1j * value), abs=1e-6)
    for bond in topology.bonds():
        pair = [bond.atom1.index, bond.atom2.index]
        assert np.linalg.norm(np.diff(turned[pair], axis=0)) == pytest.approx(
            np.linalg.norm(np.diff(xyz[pair], axis=0))
        )


def test_a_ring_does_not_turn(chignolin):
    topology, xyz = chignolin
    proline = next(residue for residue in topology.residues() if residue.name == "PRO")
    atoms = {atom.name: atom.index for atom in proline.atoms()}
    quad = tuple(atoms[name] for name in ("N", "CA", "CB", "CG"))
    with pytest.raises(CardError, match="in a ring"):
        set_torsions(topology, xyz, [(quad, 0.5)])


def test_the_hairpin_has_the_torsions_of_its_recipe():
    recipe = load_recipe("cln-mini")
    system = build(recipe)
    xyz = start_positions(recipe, system, 0)
    atoms = torsion_atoms(system.topology)
    places = {residue.id: place for place, residue in enumerate(system.topology.residues())}
    for name, values in recipe.settings["starts"]["classes"][0]["torsions"].items():
        for residue, degrees in values.items():
            found = dihedral(*xyz[list(atoms[name, places[residue]])])
            assert np.exp(1j * found) == pytest.approx(np.exp(1j * np.deg2rad(degrees)), abs=1e-6)


def test_coils_repeat_differ_and_keep_clear_of_themselves():
    recipe = load_recipe("nls-mini")
    system = build(recipe)
    first, again, other = (start_positions(recipe, system, index) for index in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.5
    heavy = [atom for atom in system.topology.atoms() if atom.element.symbol != "H"]
    index = np.array([atom.index for atom in heavy])
    residue = np.array([atom.residue.index for atom in heavy])
    distance = np.linalg.norm(first[index][:, None] - first[index][None], axis=-1)
    apart = np.abs(residue[:, None] - residue[None]) >= 3
    assert distance[apart].min() > 0.25


def test_explicit_water_is_the_published_box():
    system = build(load_recipe("adp"))
    waters = [residue for residue in system.topology.residues() if residue.name == "HOH"]
    assert len(waters) == 651
    box = system.system.getDefaultPeriodicBoxVectors()
    assert [box[axis][axis]._value for axis in range(3)] == pytest.approx([2.7273] * 3)
    assert system.solute == 22
    assert system.masses.sum() == pytest.approx(144.17, abs=0.02)


def test_copies_feel_the_forces_of_one_molecule():
    recipe = load_recipe("cln", {"variant": "copies"})
    one = build(recipe)
    many, offsets = replicate(recipe, one, 3)
    rng = np.random.default_rng(0)
    moved = [one.positions + rng.normal(scale=0.002, size=one.positions.shape) for _ in offsets]
    forces = []
    for system, frames in [(one.system, [frame]) for frame in moved] + [
        (many, [frame + offset for frame, offset in zip(moved, offsets, strict=True)])
    ]:
        context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
        context.setPositions(np.concatenate(frames))
        forces.append(context.getState(getForces=True).getForces(asNumpy=True)._value)
    alone, together = np.concatenate(forces[:-1]), forces[-1]
    centre = one.masses @ one.positions / one.masses.sum()
    for copy, frame in enumerate(moved):  # the tether pulls each atom by its share of the mass
        drift = one.masses @ frame / one.masses.sum() - centre
        pull = -1000.0 * np.outer(one.masses / one.masses.sum(), drift)
        part = slice(copy * len(frame), (copy + 1) * len(frame))
        np.testing.assert_allclose(together[part], alone[part] + pull, rtol=1e-4, atol=0.05)


def test_variants_and_bases():
    assert set(recipe_names()) >= {"adp", "adp-mini", "cln", "cln-mini", "villin", "villin-mini", "nls", "nls-mini"}
    gbn2 = load_recipe("cln", {"variant": "gbn2"})
    assert gbn2.name == "cln-gbn2"
    assert gbn2.settings["force_field"]["hydrogen_mass_amu"] == 3.0
    assert "embedded" not in load_recipe("cln").settings
    with pytest.raises(UnknownNameError, match="gbn2"):
        load_recipe("cln", {"variant": "gbn"})
    adp = load_recipe("adp")
    assert [adp.frames(0), adp.frames(1)] == [500_000, 250_000]
    with pytest.raises(CardError, match="lists 2 lengths for 3"):
        load_recipe("adp", {"trajectories": 3})


def test_a_protein_of_ones_own_is_cleaned_and_simulated(tmp_path):
    path = tmp_path / "mine.pdb"
    # A tripeptide with a missing side-chain atom, no hydrogens, a water and an ion.
    topology, xyz = build_peptide("GAS")
    from openmm import app

    modeller = app.Modeller(topology, xyz * openmm.unit.nanometer)
    dropped = [atom for atom in topology.atoms() if atom.element.symbol == "H" or atom.name == "OG"]
    modeller.delete([*dropped, *(r for r in topology.residues() if r.name in ("ACE", "NME"))])
    with path.open("w") as handle:
        app.PDBFile.writeFile(modeller.topology, modeller.positions, handle)
    text = path.read_text().replace("END", "").rstrip() + (
        "\nHETATM   90  O   HOH B   1       9.000   9.000   9.000  1.00  0.00           O\n"
        "HETATM   91 NA    NA C   1       9.000   0.000   9.000  1.00  0.00          NA\nEND\n"
    )
    path.write_text(text)
    recipe = protein_recipe(path, {"trajectories": 1, "frames": 2, "checkpoint_frames": 1})
    recipe.settings["starts"]["classes"][0]["stages"] = [{"temperature_K": 300.0, "ps": 0.1}]
    assert recipe.name == "mine"
    simulate(recipe, tmp_path / "run")
    frames = load_trajectory(tmp_path / "run", 0)
    start, _ = clean_protein(path)
    assert [residue.name for residue in start.residues()] == ["GLY", "ALA", "SER"]
    assert frames.shape == (2, start.getNumAtoms(), 3)
    with pytest.raises(CardError, match="no such file"):
        protein_recipe(tmp_path / "other.pdb")
    (tmp_path / "water.pdb").write_text(
        "HETATM    1  O   HOH A   1       0.000   0.000   0.000  1.00  0.00           O\n"
    )
    with pytest.raises(DataError, match="no protein residue"):
        clean_protein(tmp_path / "water.pdb")


def test_a_stretched_bond_is_noticed(chignolin):
    recipe = load_recipe("cln-mini")
    system = build(recipe)
    context = openmm.Context(system.system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("CPU"))
    context.setPositions(system.positions)
    before = longest_stretch(context, system)
    xyz = system.positions.copy()
    xyz[0] += [0.3, 0.0, 0.0]
    context.setPositions(xyz)
    assert longest_stretch(context, system) > before + 0.1
