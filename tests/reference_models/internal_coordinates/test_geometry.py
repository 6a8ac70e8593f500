import math

import mdtraj
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backmapbench.reference_models.internal_coordinates.geometry import (
    angle,
    distance,
    extend,
    frame,
    into,
    torsion,
    wrapped,
)


@pytest.fixture
def points():
    return torch.from_numpy(np.random.default_rng(0).normal(size=(50, 4, 3)))


def test_measures_agree_with_mdtraj(points):
    topology = mdtraj.Topology()
    residue = topology.add_residue("X", topology.add_chain())
    for _ in range(4):
        topology.add_atom("C", mdtraj.element.carbon, residue)
    trajectory = mdtraj.Trajectory(points.numpy(), topology)
    first, second, third, fourth = points.unbind(1)
    expected = mdtraj.compute_dihedrals(trajectory, [[0, 1, 2, 3]], periodic=False)[:, 0]
    np.testing.assert_allclose(torsion(first, second, third, fourth), expected, atol=1e-5)
    expected = mdtraj.compute_angles(trajectory, [[0, 1, 2]], periodic=False)[:, 0]
    np.testing.assert_allclose(angle(first, second, third), expected, atol=1e-5)


def test_placing_undoes_measuring(points):
    first, second, third, fourth = points.unbind(1)
    internal = torch.stack(
        [distance(fourth, third), angle(second, third, fourth), torsion(first, second, third, fourth)], dim=-1
    )
    np.testing.assert_allclose(extend(third, second, first, internal), fourth, atol=1e-10)


@given(st.floats(-10, 10), st.integers(-3, 3))
def test_turning_a_torsion_once_round_changes_nothing(value, turns):
    corner = torch.tensor([[0.0, 0, 0], [0.1, 0, 0], [0.1, 0.1, 0]], dtype=torch.float64)
    internal = torch.tensor([[0.15, 1.9, value], [0.15, 1.9, value + 2 * math.pi * turns]], dtype=torch.float64)
    one, other = extend(*(corner[k].expand(2, 3) for k in (2, 1, 0)), internal)
    np.testing.assert_allclose(one, other, atol=1e-12)
    assert -math.pi <= wrapped(torch.tensor(value)) < math.pi


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_axes_turn_with_the_points(seed):
    rng = np.random.default_rng(seed)
    points = torch.from_numpy(rng.normal(size=(3, 3)))
    turned, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    rotation = torch.from_numpy(turned * np.sign(np.linalg.det(turned)))
    axes, after = frame(*points), frame(*(points @ rotation.T))
    np.testing.assert_allclose(after, axes @ rotation.T, atol=1e-9)
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(torch.linalg.det(axes), 1.0, atol=1e-9)
    np.testing.assert_allclose(into(axes, axes), np.eye(3), atol=1e-9)
