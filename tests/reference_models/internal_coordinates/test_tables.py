"""Tables of the package's weights against published geometry, and against mdtraj on the frames they came from."""

import math

import mdtraj
import numpy as np
import pytest
import torch

from backmapbench.reference_models.internal_coordinates.data import molecules, residues_of
from backmapbench.reference_models.internal_coordinates.layout import Layout
from backmapbench.reference_models.internal_coordinates.measuring import internals_of, peptide_turns, torsions_of
from backmapbench.reference_models.internal_coordinates.placing import (
    CA,
    ENDS,
    PHI_LAST,
    PSI_FIRST,
    place_backbone,
    place_sides,
    with_terminals,
)
from backmapbench.reference_models.internal_coordinates.residues import AMINO_ACIDS, SIDE_CHAINS, chis, slot_of
from backmapbench.reference_models.internal_coordinates.tables import COLUMNS, SIDE, WIDTH, Internals, Tables
from backmapbench.reference_models.internal_coordinates.weights import delivered, read_weights

# Engh and Huber, Acta Cryst. A47, 392 (1991): Angstrom, degrees. Force fields differ by up to 0.03 Angstrom, 4 degrees.
BACKBONE = {"n_ca": 1.458, "ca_c": 1.525, "c_n": 1.329, "c_o": 1.231}
SIDES = {
    ("ARG", "CZ"): (1.329, 124.2), ("ARG", "NE"): (1.460, 112.0), ("ARG", "NH1"): (1.326, 120.0),
    ("ASN", "ND2"): (1.328, 116.4), ("ASN", "OD1"): (1.231, 120.8), ("ASP", "OD1"): (1.249, 118.4),
    ("CYS", "SG"): (1.808, 114.4), ("GLN", "OE1"): (1.231, 120.8), ("GLU", "OE2"): (1.249, 118.4),
    ("HIS", "CG"): (1.497, 113.8), ("HIS", "ND1"): (1.378, 122.7), ("ILE", "CD1"): (1.513, 113.8),
    ("LEU", "CD1"): (1.521, 110.7), ("LYS", "CE"): (1.520, 111.3), ("LYS", "NZ"): (1.489, 111.9),
    ("MET", "CE"): (1.791, 100.9), ("MET", "SD"): (1.803, 112.7), ("PHE", "CD1"): (1.384, 120.7),
    ("PHE", "CZ"): (1.382, 120.0), ("PRO", "CG"): (1.492, 104.5), ("SER", "OG"): (1.417, 111.1),
    ("THR", "CG2"): (1.521, 110.5), ("THR", "OG1"): (1.433, 109.6), ("TRP", "CD1"): (1.365, 126.9),
    ("TRP", "CE2"): (1.409, 107.2), ("TYR", "OH"): (1.376, 119.9), ("VAL", "CG1"): (1.521, 110.5),
}  # fmt: skip


@pytest.fixture(scope="module")
def tables():
    return read_weights(delivered()).tables


@pytest.mark.parametrize("name", BACKBONE)
def test_backbone_bonds_are_the_published_ones(tables, name):
    lengths = 10 * tables.mean[:, COLUMNS.index(name)].numpy()
    np.testing.assert_allclose(lengths, BACKBONE[name], atol=0.035)


def test_backbone_angles_are_the_published_ones(tables):
    angles = np.degrees(tables.mean[:, COLUMNS.index("n_ca_c")].numpy())
    np.testing.assert_allclose(angles, 111.2, atol=5)
    np.testing.assert_allclose(np.degrees(tables.mean[:, COLUMNS.index("ca_c_o")].numpy()), 120.8, atol=4)


@pytest.mark.parametrize(("residue", "atom"), SIDES)
def test_side_chains_are_the_published_ones(tables, residue, atom):
    place = [side.name for side in SIDE_CHAINS[residue]].index(atom)
    bond, angle, _ = tables.mean[AMINO_ACIDS.index(residue), SIDE].view(-1, 3)[place].tolist()
    assert 10 * bond == pytest.approx(SIDES[residue, atom][0], abs=0.045)
    assert math.degrees(angle) == pytest.approx(SIDES[residue, atom][1], abs=4.5)


def test_every_amino_acid_is_known(tables):
    assert tables.unknown(torch.arange(20)) == []


def test_an_amino_acid_without_frames_is_unknown():
    nothing = Tables.measured(torch.zeros(0, dtype=torch.long), torch.zeros(0, WIDTH, dtype=torch.float64))
    assert nothing.unknown(torch.arange(20)) == [name for name in AMINO_ACIDS if name != "GLY"]


def test_torsions_agree_with_mdtraj(villin):
    system, frames = villin
    layout = Layout.of(system)
    torsions = torsions_of(residues_of(layout, frames.positions), layout.chains).numpy()
    trajectory = mdtraj.Trajectory(frames.positions, system.topology)
    for chi, compute in enumerate((mdtraj.compute_chi1, mdtraj.compute_chi2, mdtraj.compute_chi3, mdtraj.compute_chi4)):
        atoms, expected = compute(trajectory, periodic=False)
        rows = [system.topology.atom(int(four[1])).residue.index for four in atoms]
        np.testing.assert_allclose(np.cos(torsions[:, rows, ENDS + chi] - expected), 1.0, atol=1e-6)
    for slot, row, compute in ((PSI_FIRST, 0, mdtraj.compute_psi), (PHI_LAST, -1, mdtraj.compute_phi)):
        expected = compute(trajectory, periodic=False)[1][:, row]
        np.testing.assert_allclose(np.cos(torsions[:, row, slot] - expected), 1.0, atol=1e-6)


def test_measured_coordinates_place_the_measured_atoms(villin):
    system, frames = villin
    layout = Layout.of(system)
    atoms = residues_of(layout, frames.positions)
    turns, torsions = peptide_turns(atoms[..., CA, :], atoms, layout.chains), torsions_of(atoms, layout.chains)
    internals = Internals(internals_of(atoms, layout.chains).nan_to_num())
    types = layout.chains.types.expand(atoms.shape[:2])
    backbone, oxygens = place_backbone(
        atoms[..., CA, :], layout.chains, turns.nan_to_num(), torsions.nan_to_num(), internals
    )
    placed = with_terminals(place_sides(types, backbone, torsions.nan_to_num(), internals), oxygens)
    away = 10 * (placed - atoms).norm(dim=-1)
    # What is left: peptide units that are not quite planar.
    assert float(away[~away.isnan()].square().mean().sqrt()) < 0.15


def test_training_frames_are_those_of_the_task_and_the_datasets_beside(villin, villin_set):
    system, training = villin_set
    found = molecules(system, training, ["villin-mini"])
    assert [len(molecule.train) for molecule in found] == [40]


@pytest.mark.parametrize("name", AMINO_ACIDS)
def test_atoms_are_placed_from_placed_ones(name):
    known = {"N", "CA", "C", "O", "CB"}
    for atom in SIDE_CHAINS[name]:
        assert {atom.bonded, atom.angle, atom.torsion} <= known
        known.add(atom.name)
        assert slot_of(name, atom.name) is not None
    assert 0 <= chis(name) <= 4
