"""Runs of the sequence, and k-means over the trajectories."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from backmapbench.coarse_graining import contiguous, kmeans
from backmapbench.coarse_graining.assignment import numbered
from backmapbench.coarse_graining.objective import objective
from backmapbench.coarse_graining.particles import particle_indices
from backmapbench.errors import DataError


@pytest.mark.parametrize(("kind", "residues"), [("ca", 6), ("heavy", 8), ("atoms", 8)])
def test_runs_are_equal_in_residues_in_order_and_split_none(topology, kind, residues):
    chosen = particle_indices(topology, kind)
    numbers = np.array([topology.atom(int(index)).residue.index for index in chosen])
    for beads in range(1, residues + 1):
        found = contiguous(topology, chosen, beads)
        assert np.array_equal(np.unique(found), np.arange(beads))
        assert (np.diff(found) >= 0).all()
        counts = [len(np.unique(numbers[found == bead])) for bead in range(beads)]
        assert sum(counts) == residues
        assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("beads", [0, 7])
def test_more_runs_than_residues_are_refused(topology, beads):
    with pytest.raises(DataError, match=f"{beads} beads asked for of 6 residues"):
        contiguous(topology, particle_indices(topology, "ca"), beads)


def walks(particles, frames, seed):
    return np.cumsum(np.random.default_rng(seed).normal(scale=0.2, size=(frames, particles, 3)), axis=1)


@given(st.integers(2, 12), st.integers(1, 20), st.floats(0, 1), st.integers(0, 2**31))
@settings(max_examples=8)
def test_k_means_beads_are_a_partition_and_the_seed_decides(particles, frames, share, seed):
    beads = 1 + round(share * (particles - 1))
    positions = walks(particles, frames, seed)
    found = kmeans(positions, beads, seed)
    np.testing.assert_array_equal(np.unique(found), np.arange(beads))
    np.testing.assert_array_equal(numbered(found), found)
    np.testing.assert_array_equal(kmeans(positions, beads, seed), found)


@pytest.mark.parametrize("seed", range(3))
def test_k_means_reaches_what_scikit_learn_reaches_on_the_frames_themselves(seed):
    """Its inertia, on points of frames x 3 coordinates, is frames x particles x lift."""
    positions = walks(15, 25, seed)
    centred = positions - positions.mean(axis=1, keepdims=True)
    points = centred.transpose(1, 0, 2).reshape(15, -1)
    inertia = KMeans(4, n_init=200, random_state=seed + 1).fit(points).inertia_
    lift = objective(positions, kmeans(positions, 4, seed)).lift_nm2
    assert lift == pytest.approx(inertia / (25 * 15), rel=1e-6)


def test_more_clusters_than_distinct_particles_leave_no_bead_empty():
    positions = np.repeat(walks(3, 6, 0), 4, axis=1)
    np.testing.assert_array_equal(np.unique(kmeans(positions, 5, 0)), np.arange(5))
