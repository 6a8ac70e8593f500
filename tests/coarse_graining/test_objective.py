"""The objective of hard assignments: analytic cases, least squares as oracle, laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from backmapbench.coarse_graining.assignment import numbered
from backmapbench.coarse_graining.objective import objective, second_moment
from backmapbench.errors import CardError, DataError

seeds = st.integers(0, 2**32 - 1)


@st.composite
def systems(draw, most=9):
    """Frames (frames, particles, 3) and an assignment without empty beads."""
    particles, frames = draw(st.integers(2, most)), draw(st.integers(1, 12))
    beads = draw(st.integers(1, particles))
    rng = np.random.default_rng(draw(seeds))
    labels = rng.permutation(np.concatenate([np.arange(beads), rng.integers(0, beads, particles - beads)]))
    return rng.normal(size=(frames, particles, 3)), labels


def by_least_squares(positions, labels, weight=0.25):
    """Both terms the long way: the decoder fitted by numpy.linalg.lstsq, the lift summed over explicit differences."""
    centred = positions - positions.mean(axis=1, keepdims=True)
    beads = np.stack([centred[:, labels == bead].mean(axis=1) for bead in range(labels.max() + 1)], axis=1)
    inputs = beads.transpose(0, 2, 1).reshape(-1, beads.shape[1])
    inputs[np.abs(inputs) < 1e-12] = 0.0  # where all share one bead it rests at the origin, but for rounding
    targets = centred.transpose(0, 2, 1).reshape(-1, centred.shape[1])
    decoder = np.linalg.lstsq(inputs, targets, rcond=1e-9)[0]
    reconstruction = np.mean((targets - inputs @ decoder) ** 2)
    lift = np.mean(((centred - beads[:, labels]) ** 2).sum(axis=-1))
    return reconstruction, lift, reconstruction + weight * lift


@given(systems())
def test_both_terms_agree_with_a_decoder_fitted_by_least_squares(system):
    positions, labels = system
    found = objective(positions, labels)
    reconstruction, lift, total = by_least_squares(positions, labels)
    np.testing.assert_allclose(found.reconstruction_nm2, reconstruction, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(found.lift_nm2, lift, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(found.total_nm2, total, rtol=1e-7, atol=1e-10)


def test_two_modes_of_which_the_beads_see_one():
    """Frame 1 moves both pairs apart, by a; frame 2 opens the first pair, by b: the beads miss b alone."""
    a, b = 1.7, 0.4
    positions = np.zeros((2, 4, 3))
    positions[0, :, 0] = a * np.array([1, 1, -1, -1])
    positions[1, :, 0] = b * np.array([1, -1, 0, 0])
    found = objective(positions, [0, 0, 1, 1])
    assert found.reconstruction_nm2 == pytest.approx(b**2 / 12, rel=1e-12)
    assert found.lift_nm2 == pytest.approx(b**2 / 4, rel=1e-12)
    assert found.total_nm2 == pytest.approx(b**2 * (1 / 12 + 1 / 16), rel=1e-12)


def test_one_bead_explains_nothing_and_one_bead_each_leaves_nothing():
    positions = np.random.default_rng(0).normal(size=(50, 6, 3))
    centred = positions - positions.mean(axis=1, keepdims=True)
    alone = objective(positions, np.zeros(6, dtype=int))
    assert alone.reconstruction_nm2 == pytest.approx(np.mean(centred**2), rel=1e-12)
    assert alone.lift_nm2 == pytest.approx(3 * np.mean(centred**2), rel=1e-12)
    assert objective(positions, np.arange(6)).total_nm2 == pytest.approx(0.0, abs=1e-12)


@given(systems(), seeds)
def test_rigid_motions_of_each_frame_change_nothing(system, seed):
    positions, labels = system
    rng = np.random.default_rng(seed)
    turns = Rotation.random(len(positions), random_state=seed).as_matrix()
    moved = np.einsum("fij,faj->fai", turns, positions) + rng.normal(size=(len(positions), 1, 3))
    # One decoder serves all frames and components, so each frame may turn on its own.
    np.testing.assert_allclose(
        objective(moved, labels).total_nm2, objective(positions, labels).total_nm2, rtol=1e-6, atol=1e-9
    )


@given(systems(), seeds)
def test_names_of_beads_and_order_of_particles_do_not_matter(system, seed):
    positions, labels = system
    rng = np.random.default_rng(seed)
    order, renamed = rng.permutation(len(labels)), rng.permutation(labels.max() + 1)[labels]
    found = objective(positions, labels).total_nm2
    np.testing.assert_allclose(objective(positions, renamed).total_nm2, found, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(objective(positions[:, order], labels[order]).total_nm2, found, rtol=1e-7, atol=1e-10)


@given(systems(), st.floats(0.1, 10))
def test_it_grows_with_the_square_of_lengths(system, scale):
    positions, labels = system
    expected = scale**2 * objective(positions, labels).total_nm2
    np.testing.assert_allclose(objective(positions * scale, labels).total_nm2, expected, rtol=1e-6, atol=1e-9)


def test_the_moment_is_the_same_in_chunks(monkeypatch):
    positions = np.random.default_rng(1).normal(size=(23, 5, 3)).astype(np.float32)
    whole = second_moment(positions)
    monkeypatch.setattr("backmapbench.coarse_graining.objective.CHUNK_VALUES", 60)
    np.testing.assert_allclose(second_moment(positions), whole, rtol=1e-12)
    np.testing.assert_allclose(whole.sum(axis=0), 0.0, atol=1e-12)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=12))
def test_numbering_keeps_the_partition_and_counts_from_the_first_particle(labels):
    found = numbered(np.array(labels))
    assert found[0] == 0
    assert np.array_equal(np.unique(found), np.arange(len(set(labels))))
    firsts = [list(found).index(bead) for bead in range(found.max() + 1)]
    assert firsts == sorted(firsts)
    same = np.array(labels)[:, None] == np.array(labels)
    np.testing.assert_array_equal(found[:, None] == found, same)


@pytest.mark.parametrize(
    ("labels", "said"),
    [([0, 1], "shape"), ([0, 1, -1, 0], "number beads from 0"), ([0, 2, 2, 0], "bead 1 of the assignment is empty")],
)
def test_wrong_assignments_are_refused(labels, said):
    with pytest.raises(CardError, match=said):
        objective(np.zeros((1, 4, 3)), labels)


@pytest.mark.parametrize("positions", [np.zeros((4, 3)), np.zeros((0, 4, 3)), np.zeros((2, 4, 2))])
def test_what_is_no_frames_is_refused(positions):
    with pytest.raises(DataError, match="shape"):
        objective(positions, [0, 0, 0, 0])


def test_positions_that_are_not_finite_are_refused():
    positions = np.zeros((2, 4, 3))
    positions[1, 2, 0] = np.nan
    with pytest.raises(DataError, match="not finite"):
        objective(positions, [0, 0, 1, 1])
