"""Superposition: agrees with mdtraj, rotates properly, recovers known motions."""

from __future__ import annotations

from collections.abc import Callable

import mdtraj
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from backmapbench.superposition import rotations, superpose

Make = Callable[..., NDArray[np.float32]]


def test_rmsd_is_that_of_mdtraj(make_frames: Make, topology: mdtraj.Topology) -> None:
    mobile, target = make_frames(50, 1), make_frames(50, 2)
    found = np.sqrt(((superpose(mobile, target) - target) ** 2).sum(-1).mean(-1))
    expected = [
        mdtraj.rmsd(mdtraj.Trajectory(mobile[t], topology), mdtraj.Trajectory(target[t], topology), precentered=False)[
            0
        ]
        for t in range(50)
    ]
    assert found == pytest.approx(np.array(expected), abs=2e-6)  # mdtraj works in single precision
    assert found.min() > 0.01


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_rigid_motion_is_undone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    target = rng.normal(size=(3, 7, 3))
    turn = Rotation.random(rng=rng)
    moved = superpose(target @ turn.as_matrix() + rng.normal(size=3), target)
    np.testing.assert_allclose(moved, target, atol=1e-12)
    np.testing.assert_allclose(rotations(target @ turn.as_matrix(), target), [turn.inv().as_matrix()] * 3, atol=1e-10)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_rotations_are_proper_even_for_mirror_images_and_few_points(seed: int, atoms: int) -> None:
    target = np.random.default_rng(seed).normal(size=(4, atoms, 3))
    found = rotations(target * [-1, 1, 1], target)
    np.testing.assert_allclose(np.linalg.det(found), 1.0, atol=1e-10)
    np.testing.assert_allclose(found @ found.swapaxes(-1, -2), [np.eye(3)] * 4, atol=1e-10)


def test_a_mirror_image_stays_apart(make_frames: Make) -> None:
    frames = make_frames(20, 3)
    moved = superpose(frames * [-1, 1, 1], frames)
    assert np.sqrt(((moved - frames) ** 2).sum(-1).mean(-1)).min() > 0.02


def test_chosen_atoms_are_fitted_and_all_move(make_frames: Make) -> None:
    target = make_frames(5, 4).astype(np.float64)
    mobile = target @ Rotation.from_euler("xyz", [40, 50, 60], degrees=True).as_matrix() + 1.0
    mobile[:, 0] += 0.5  # an atom that is not fitted may be anywhere
    moved = superpose(mobile, target, np.arange(1, 22))
    np.testing.assert_allclose(moved[:, 1:], target[:, 1:], atol=1e-12)
    assert np.linalg.norm(moved[:, 0] - target[:, 0], axis=1) == pytest.approx(np.full(5, 0.5 * np.sqrt(3)))


def test_no_rotation_is_better(make_frames: Make) -> None:
    mobile, target = make_frames(1, 5), make_frames(1, 6)
    best = ((superpose(mobile, target) - target) ** 2).sum()
    centred = mobile - mobile.mean(1, keepdims=True)
    trials = centred @ Rotation.random(500, rng=np.random.default_rng(0)).as_matrix()
    assert ((trials - (target - target.mean(1, keepdims=True))) ** 2).sum((1, 2)).min() >= best


def test_coincident_and_undefined_atoms_do_not_stop_the_rest(make_frames: Make) -> None:
    target = make_frames(3, 7)
    mobile = target.copy()
    mobile[0] = 0.25
    mobile[1, 4] = np.nan
    moved = superpose(mobile, target)
    np.testing.assert_allclose(moved[0], np.broadcast_to(target[0].mean(0), (22, 3)), atol=1e-6)
    assert np.isnan(moved[1]).any()
    np.testing.assert_allclose(moved[2], target[2], atol=1e-6)
