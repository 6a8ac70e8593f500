"""Lookup: superposition against independent programs, recall against brute force, and its laws."""

import mdtraj
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from backmapbench.coarse_graining import CoarseMapping
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import SubmissionError
from backmapbench.reference_models.lookup.candidates import CandidateSearch
from backmapbench.reference_models.lookup.model import Lookup
from backmapbench.reference_models.lookup.superposition import centred, superposed_rmsd
from backmapbench.submissions.protocol import Backmapper, System, TrainableBackmapper, TrainingSet
from backmapbench.superposition import rotations


@pytest.fixture(scope="module")
def lookup(system, training):
    model = Lookup()
    model.fit(system, training, 0)
    return model


def brute_force(queries, library):
    """Nearest frame by mdtraj's own superposed RMSD (its C implementation of QCP), one query against all at a time."""
    topology = mdtraj.Topology()
    residue = topology.add_residue("UNK", topology.add_chain())
    for index in range(library.shape[1]):
        topology.add_atom(f"B{index}", mdtraj.element.carbon, residue)
    stored, asked = mdtraj.Trajectory(library, topology), mdtraj.Trajectory(queries, topology)
    stored.center_coordinates()
    asked.center_coordinates()
    return np.array([mdtraj.rmsd(stored, asked, frame, precentered=True) for frame in range(len(queries))])


@given(st.integers(0, 2**32 - 1), st.integers(3, 12))
@settings(max_examples=30, deadline=None)
def test_rmsd_and_rotation_agree_with_scipy(seed, points):
    """scipy.spatial.transform.Rotation.align_vectors solves the same problem (Wahba's) by its own route."""
    rng = np.random.default_rng(seed)
    target, mobile = centred(rng.normal(size=(2, points, 3)))
    rotation, distance = Rotation.align_vectors(target, mobile)
    np.testing.assert_allclose(rotations(mobile[None], target[None])[0].T, rotation.as_matrix(), atol=1e-6)
    found = superposed_rmsd(target[None], mobile[None, None])[0, 0]
    assert found == pytest.approx(distance / np.sqrt(points), abs=1e-7)


def test_mirror_image_is_not_a_match():
    rng = np.random.default_rng(0)
    target = centred(rng.normal(size=(1, 6, 3)))
    mirrored = target * [1, 1, -1]
    assert superposed_rmsd(target, target[:, None])[0, 0] < 1e-6
    assert superposed_rmsd(target, mirrored[:, None])[0, 0] > 0.1
    assert np.linalg.det(rotations(mirrored, target))[0] == pytest.approx(1.0)


@pytest.mark.parametrize("points", [1, 2])
def test_one_and_two_points(points):
    rng = np.random.default_rng(1)
    target, mobile = centred(rng.normal(size=(2, 1, points, 3)))
    rotated = mobile[0] @ rotations(mobile, target)[0]
    expected = np.sqrt(((target[0] - rotated) ** 2).sum() / points)
    assert superposed_rmsd(target, mobile[:, None])[0, 0] == pytest.approx(expected, abs=1e-6)


def test_recall_against_brute_force(system, training, moved, lookup):
    queries = system.mapping.positions(moved((1000,), seed=11).positions)
    library = system.mapping.positions(training.train.positions)
    every = brute_force(queries, library)
    found, rmsd = lookup.nearest(queries)
    assert (found == every.argmin(axis=1)).mean() >= 0.99
    np.testing.assert_allclose(rmsd, every[np.arange(1000), found], atol=2e-4)


def test_recall_where_handedness_decides(lookup, system):
    """Half of the library is the other half's mirror image: equal distances, but only one of the two fits."""
    rng = np.random.default_rng(5)
    walk = np.cumsum(rng.normal(size=(4, 6, 3)), axis=1)[rng.integers(4, size=1500)] + rng.normal(0, 0.3, (1500, 6, 3))
    library = np.concatenate([walk, walk * [1, 1, -1]]).astype(np.float32)
    queries = (library[rng.integers(3000, size=1000)] + rng.normal(0, 0.1, (1000, 6, 3))).astype(np.float32)
    identity = CoarseMapping.from_groups([[i] for i in range(6)], 6, [f"B{i}" for i in range(6)])
    model = Lookup()
    both = Trajectories(library, (3000,), None)
    model.fit(System(system.topology.subset(range(6)), identity, 300.0), TrainingSet(both, both), 0)
    found, _ = model.nearest(queries)
    assert (found == brute_force(queries, library).argmin(axis=1)).mean() >= 0.99


def test_recall_with_many_beads():
    """Thirty beads have 435 distances, so the search uses their principal components."""
    rng = np.random.default_rng(6)
    bends = np.cumsum(rng.normal(0, 0.3, size=(3000, 30, 3)), axis=1)
    library = np.cumsum(np.array([1.0, 0.0, 0.0]) + 0.3 * bends, axis=1)
    library, queries = library[:2000].astype(np.float32), library[2000:].astype(np.float32)
    found = CandidateSearch(library).nearest(queries, 256)
    truth = brute_force(queries, library).argmin(axis=1)
    assert (found == truth[:, None]).any(axis=1).mean() >= 0.99


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_equivariance(seed, lookup, system, held_out):
    rng = np.random.default_rng(seed)
    rotation = Rotation.random(random_state=rng).as_matrix()
    shift = rng.normal(size=3)
    still = lookup.backmap(system, held_out, 1, 0)
    turned = lookup.backmap(system, held_out.replace_positions(held_out.positions @ rotation + shift), 1, 0)
    np.testing.assert_allclose(turned, still @ rotation + shift, atol=1e-4)


def test_a_training_frame_is_found_and_returned_unchanged(lookup, system, training):
    atoms = training.train.positions[::100]
    beads = Trajectories(system.mapping.positions(atoms), (len(atoms),), 1.0)
    np.testing.assert_allclose(lookup.backmap(system, beads, 1, 0)[0], atoms, atol=1e-6)


def test_output_is_made_of_training_frames(lookup, system, training, held_out):
    placed = lookup.backmap(system, held_out, 2, 0)
    assert placed.shape == (2, 50, 22, 3)
    assert placed.dtype == np.float32
    assert (placed[0] == placed[1]).all()
    assert (placed == lookup.backmap(system, held_out, 2, 99)).all()
    nearest, _ = lookup.nearest(held_out.positions)
    first, second = np.triu_indices(22, k=1)
    lengths = [
        np.linalg.norm(x[:, first] - x[:, second], axis=-1) for x in (placed[0], training.train.positions[nearest])
    ]
    np.testing.assert_allclose(*lengths, atol=1e-6)
    np.testing.assert_allclose(
        system.mapping.positions(placed[0]).mean(axis=1), held_out.positions.mean(axis=1), atol=1e-6
    )


def test_protocol_and_errors(lookup, system, held_out):
    assert isinstance(lookup, Backmapper)
    assert isinstance(lookup, TrainableBackmapper)
    with pytest.raises(SubmissionError, match="not fitted"):
        Lookup().backmap(system, held_out, 1, 0)
    with pytest.raises(SubmissionError, match="22 atoms in 5 beads, fitted with 22 in 6"):
        lookup.backmap(system, held_out.replace_positions(held_out.positions[:, :5]), 1, 0)


@pytest.mark.parametrize("beads", [1, 2])
def test_few_beads(beads, start, training):
    mapping = CoarseMapping.from_groups([[8], [6]][:beads], 22, ["CA", "N"][:beads])
    few = System(start.topology, mapping, 300.0)
    model = Lookup()
    model.fit(few, training, 0)
    targets = Trajectories(mapping.positions(training.train.positions[:5]), (5,), 1.0)
    placed = model.backmap(few, targets, 1, 0)
    np.testing.assert_allclose(mapping.positions(placed[0]).mean(axis=1), targets.positions.mean(axis=1), atol=1e-6)
