"""The processes of the studies have the properties that their answers rest on."""

import numpy as np
import pytest
from scipy import integrate

from backmapbench.studies.processes import Circle, Sampling, stationary

MATRIX = np.array([[0.9, 0.1, 0.0], [0.05, 0.85, 0.1], [0.0, 0.2, 0.8]])


def test_the_normal_process_is_stationary_and_decays_as_told():
    series = Sampling(400, 500, memory=5.0).normal(np.random.default_rng(0))
    assert series.shape == (400, 500)
    assert series.mean() == pytest.approx(0, abs=0.03)
    assert series[:, 0].std() == pytest.approx(1, abs=0.1)
    assert series.std() == pytest.approx(1, abs=0.02)
    for lag in (1, 5, 10):
        assert (series[:, lag:] * series[:, :-lag]).mean() == pytest.approx(np.exp(-lag / 5), abs=0.03)


def test_the_chain_has_its_transition_matrix_and_starts_stationary():
    states = Sampling(2000, 101, memory=1.0).chain(np.random.default_rng(1), MATRIX)
    assert states.shape == (2000, 101)
    counts = np.zeros((3, 3))
    np.add.at(counts, (states[:, :-1].ravel(), states[:, 1:].ravel()), 1)
    assert np.abs(counts / counts.sum(axis=1, keepdims=True) - MATRIX).max() < 0.01
    assert counts[0, 2] == counts[2, 0] == 0
    shares = np.bincount(states[:, 0], minlength=3) / 2000
    assert np.abs(shares - stationary(MATRIX)).max() < 0.04
    assert np.bincount(states[:, -1], minlength=3) / 2000 == pytest.approx(shares, abs=0.06)


def test_a_chain_of_one_frame():
    assert Sampling(5, 1, memory=1.0).chain(np.random.default_rng(0), MATRIX).shape == (5, 1)


def test_the_stationary_distribution_stays():
    shares = stationary(MATRIX)
    np.testing.assert_allclose(shares @ MATRIX, shares, atol=1e-12)
    assert shares.sum() == pytest.approx(1)


def test_angles_on_the_circle_follow_the_density():
    circle = Circle(0.7, 0.6)
    expected = circle.bins(12)
    edges = np.linspace(-np.pi, np.pi, 13)
    norm = integrate.quad(lambda theta: np.exp(0.7 * np.cos(theta - 0.6)), -np.pi, np.pi)[0]
    for cell in range(12):
        share = integrate.quad(lambda theta: np.exp(0.7 * np.cos(theta - 0.6)), *edges[cell : cell + 2])[0] / norm
        assert expected[cell] == pytest.approx(share, abs=1e-6)
    angles = circle.angles(np.random.default_rng(0).normal(size=50_000))
    assert np.abs(np.histogram(angles, edges)[0] / 50_000 - expected).max() < 0.006


def test_trajectories_keep_their_order_and_boundaries():
    found = Sampling(2, 3, memory=1.0).as_trajectories(np.arange(6).reshape(2, 3))
    assert found.lengths == (3, 3)
    assert found.positions[:, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]
