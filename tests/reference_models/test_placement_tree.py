"""Placement tree, internal coordinates, encoding and bead features of ar-internal."""

import mdtraj
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from backmapbench.coarse_graining import CoarseMapping, atom_slice, centre_of_geometry
from backmapbench.errors import SubmissionError
from backmapbench.reference_models.ar_internal.encoding import Encoding
from backmapbench.reference_models.ar_internal.features import BeadFeatures, spanning_torsions
from backmapbench.reference_models.ar_internal.internal import ANGLE, BOND, TORSION, measure, place
from backmapbench.reference_models.ar_internal.settings import read_settings
from backmapbench.reference_models.ar_internal.tree import placement_tree
from backmapbench.submissions.protocol import System


@pytest.fixture(scope="module")
def tree(system, training):
    return placement_tree("ar-internal", system, training.train.positions)


@pytest.fixture(scope="module")
def internal(tree, training):
    return measure(tree, training.train.positions)


def names(topology, atoms):
    return [f"{topology.atom(atom).residue.name}:{topology.atom(atom).name}" for atom in atoms]


def test_references_by_hand(tree, system):
    rows = {
        label: names(system.topology, row)
        for label, row in zip(names(system.topology, tree.atoms), tree.references, strict=True)
    }
    assert rows["ACE:CH3"] == ["ACE:C", "ALA:N", "ALA:CA"]
    assert rows["ACE:O"] == ["ACE:C", "ALA:N", "ACE:CH3"]
    assert rows["ALA:HA"] == ["ALA:CA", "ALA:N", "ALA:CB"]
    assert rows["NME:H"] == ["NME:N", "ALA:C", "NME:C"]
    assert rows["ALA:HB1"] == ["ALA:CB", "ALA:CA", "ALA:N"]
    assert rows["ALA:HB2"] == ["ALA:CB", "ALA:CA", "ALA:HB1"]


def test_every_atom_is_placed_once_from_earlier_ones(tree, system):
    bonded = {frozenset((bond[0].index, bond[1].index)) for bond in system.topology.bonds}
    placed = set(tree.roots.tolist())
    for atom, row in zip(tree.atoms.tolist(), tree.references.tolist(), strict=True):
        assert atom not in placed
        assert set(row) <= placed
        assert len(set(row)) == 3
        assert frozenset((atom, row[0])) in bonded
        placed.add(atom)
    assert placed == set(range(22))


def test_agrees_with_mdtraj(tree, internal, training, system):
    frames = mdtraj.Trajectory(training.train.positions, system.topology)
    quads = np.column_stack([tree.atoms, tree.references])
    torsions = mdtraj.compute_dihedrals(frames, quads, opt=False)
    np.testing.assert_allclose(np.cos(internal[:, :, TORSION] - torsions), 1.0, atol=1e-5)
    np.testing.assert_allclose(internal[:, :, ANGLE], mdtraj.compute_angles(frames, quads[:, :3], opt=False), atol=1e-4)
    np.testing.assert_allclose(internal[:, :, BOND], mdtraj.compute_distances(frames, quads[:, :2]), atol=1e-6)


def test_placing_what_was_measured_changes_nothing(tree, internal, training, system):
    beads = system.mapping.positions(training.train.positions)
    np.testing.assert_allclose(place(tree, beads, internal), training.train.positions, atol=1e-6)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_measuring_what_was_placed_gives_it_back(seed, tree, training, system):
    rng = np.random.default_rng(seed)
    beads = system.mapping.positions(training.train.positions[rng.integers(3000, size=20)]).astype(np.float64)
    given_ = np.stack(
        [rng.uniform(0.09, 0.2, (20, 16)), rng.uniform(1.5, 2.5, (20, 16)), rng.uniform(-np.pi, np.pi, (20, 16))],
        axis=-1,
    )
    atoms = place(tree, beads, given_)
    found = measure(tree, atoms)
    assert (atoms[:, tree.roots] == beads).all()
    # Random siblings may lie nearly on a line with their parent, where a torsion relative to them is ill defined.
    np.testing.assert_allclose(found[..., :TORSION], given_[..., :TORSION], atol=1e-6)
    arms = np.stack([atoms[:, tree.references[:, i]] for i in range(3)])
    usable = np.linalg.norm(np.cross(arms[0] - arms[1], arms[2] - arms[1]), axis=-1) > 1e-3
    np.testing.assert_allclose(np.cos(found[..., TORSION] - given_[..., TORSION])[usable], 1.0, atol=1e-6)


def test_line_is_avoided(start, training):
    """With ACE:C, N and CA moved onto one line, CH3's torsion is measured against other atoms."""
    system = System(start.topology, atom_slice(start.topology, ["ACE1:C", "ALA2:N", "ALA2:CA", "ALA2:C"]), 300.0)
    frames = training.train.positions[:50].copy()
    frames[:, 8] = frames[:, 6] + (frames[:, 6] - frames[:, 4])
    tree = placement_tree("ar-internal", system, frames)
    first = tree.references[tree.atoms.tolist().index(1)]
    assert names(start.topology, first) == ["ACE:C", "ALA:N", "ALA:C"]


def test_what_fixes_no_tree_is_refused(start, training):
    frames = training.train.positions
    topology = start.topology
    with pytest.raises(SubmissionError, match=r"^some-model: needs three or more beads"):
        placement_tree("some-model", System(topology, atom_slice(topology, ["ACE1:C", "ALA2:N"]), 300.0), frames)
    twice = CoarseMapping.from_groups([[4], [6], [8], [8]], 22, list("abcd"))
    with pytest.raises(SubmissionError, match=r"^some-model: .* different atoms"):
        placement_tree("some-model", System(topology, twice, 300.0), frames)
    centre = centre_of_geometry(topology, [["ACE1:C", "ACE1:O"], ["ALA2:N"], ["ALA2:CA"]], list("abc"))
    with pytest.raises(SubmissionError, match=r"^some-model: .* 'slice'"):
        placement_tree("some-model", System(topology, centre, 300.0), frames)
    beads = atom_slice(topology, ["ACE1:C", "ALA2:N", "ALA2:CA"])
    loose = topology.copy()
    loose._bonds = [bond for bond in loose._bonds if "NME" not in {bond[0].residue.name, bond[1].residue.name}]
    with pytest.raises(SubmissionError, match=r"^some-model: .* NME3-N"):
        placement_tree("some-model", System(loose, beads, 300.0), frames)
    ring = topology.copy()
    named = {atom.name + str(atom.residue.resSeq): atom for atom in ring.atoms}
    ring.add_bond(named["O1"], named["O2"])
    with pytest.raises(SubmissionError, match=r"^some-model: .* closes a ring"):
        placement_tree("some-model", System(ring, beads, 300.0), frames)
    flat = np.zeros((3, 22, 3), dtype=np.float32)
    flat[:, :, 0] = np.arange(22)
    with pytest.raises(SubmissionError, match=r"^some-model: .* on a line"):
        placement_tree("some-model", System(topology, beads, 300.0), flat)


def test_encoding_sorts_the_coordinates(tree, internal, system):
    encoding = Encoding(internal, read_settings().encoding)
    assert names(system.topology, tree.atoms[encoding.free]) == ["ALA:HB1", "ACE:H1", "NME:H1"]
    assert encoding.gaussian.sum() == 3 * 16 - 3
    numbers, angles = encoding.encode(internal)
    np.testing.assert_allclose((numbers**2).mean(axis=0), 1.0, atol=1e-4)
    back = encoding.decode(numbers, angles)
    np.testing.assert_allclose(back[..., :TORSION], internal[..., :TORSION], atol=1e-5)
    np.testing.assert_allclose(np.cos(back[..., TORSION] - internal[..., TORSION]), 1.0, atol=1e-5)


def test_constrained_bonds_are_constants(internal):
    held = internal.copy()
    held[:, 4:, BOND] = 0.1 + np.random.default_rng(0).normal(0, 1e-5, held[:, 4:, BOND].shape)
    encoding = Encoding(held, read_settings().encoding)
    assert encoding.gaussian[:, BOND].sum() == 4
    decoded = encoding.decode(*encoding.encode(held))
    assert np.ptp(decoded[:, 4:, BOND]) < 1e-6
    np.testing.assert_allclose(decoded[:, 4:, BOND], 0.1, atol=1e-5)


def test_decoded_bonds_and_angles_stay_possible(internal):
    encoding = Encoding(internal, read_settings().encoding)
    numbers, angles = encoding.encode(internal[:10])
    for far in (-1e4, 1e4):
        extreme = encoding.decode(np.full_like(numbers, far), angles)
        assert (extreme[..., BOND] > 0).all()
        assert (np.sin(extreme[..., ANGLE]) > 0).all()


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_features_see_handedness_but_no_rotation(seed, system, training):
    beads = system.mapping.positions(training.train.positions[::20]).astype(np.float64)
    features = BeadFeatures(beads, 300)
    rng = np.random.default_rng(seed)
    rotation, shift = Rotation.random(random_state=rng).as_matrix(), rng.normal(size=3)
    np.testing.assert_allclose(features(beads @ rotation + shift), features(beads), atol=1e-4)
    mirrored = features(beads * [1, 1, -1]) - features(beads)
    assert np.abs(mirrored).max(axis=1).min() > 0.1


def test_features_of_alanine_dipeptide(system, training):
    beads = system.mapping.positions(training.train.positions[::20])
    # 15 distances; phi, psi and the two torsions over CB along the tree C-N-CA(-CB)-C-N, one improper at CA.
    assert BeadFeatures(beads, 300).size == 15 + 2 * 5
    assert BeadFeatures(beads, 7).size == 7 + 2 * 5


def test_spanning_torsions_of_a_chain_and_a_star():
    chain = np.zeros((5, 5), dtype=bool)
    chain[np.arange(4), np.arange(1, 5)] = True
    assert spanning_torsions(chain).tolist() == [[0, 1, 2, 3], [1, 2, 3, 4]]
    star = np.zeros((4, 4), dtype=bool)
    star[0, 1:] = True
    assert spanning_torsions(star).tolist() == [[1, 0, 2, 3]]
