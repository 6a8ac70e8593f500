"""Figures of decorrelation on chains whose memory is known."""

import mdtraj
import numpy as np
import pytest

from backmapbench.datasets.catalogue import load_dataset
from backmapbench.datasets.decorrelation import decorrelation

LINKS, FRAMES = 40, 300


@pytest.fixture(scope="module")
def topology():
    return load_dataset("adp-mini").topology


def autoregressive(memory, rng, shape):
    """Stationary chains x' = memory x + noise of unit variance: (LINKS + 1, *shape)."""
    chain = [rng.normal(size=shape)]
    for _ in range(LINKS):
        chain.append(memory * chain[-1] + np.sqrt(1 - memory**2) * rng.normal(size=shape))
    return np.array(chain)


def chain(topology, memory, seed=0, scale=0.01):
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(FRAMES, topology.n_atoms, 3))  # each frame has a mean of its own
    return means + scale * autoregressive(memory, rng, means.shape)


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9])
def test_an_autoregressive_chain_gives_its_own_memory(topology, memory):
    positions = chain(topology, memory)
    found = decorrelation(positions[0], positions[1:], topology, np.zeros((0, 4), dtype=int))
    far = np.mean([memory**lag for lag in range(LINKS // 2 + 1, LINKS)])  # what is left at the reference distance
    assert found["neighbour_correlation_positions"] == pytest.approx(1 - (1 - memory) / (1 - far), abs=0.02)
    assert "neighbour_correlation_torsions" not in found


def test_an_independent_chain_is_exchangeable_with_its_start_and_a_narrow_one_is_not(topology):
    torsions = np.zeros((0, 4), dtype=int)
    positions = chain(topology, 0.0)
    found = decorrelation(positions[0], positions[1:], topology, torsions)
    assert abs(found["start_log_ratio"]) < 4 * found["start_log_ratio_error"] < 0.05
    middle = positions[1:].mean(axis=0)
    narrow = decorrelation(positions[0], middle + (positions[1:] - middle) / 2, topology, torsions)
    # rms between samples sqrt(2) / 2, from the truth sqrt(1 + 1/4)
    assert narrow["start_log_ratio"] == pytest.approx(np.log(np.sqrt(0.5 / 1.25)), abs=0.03)


def test_torsions_are_judged_by_themselves_and_still_ones_left_out(topology):
    """One torsion jumps at random at every link, one keeps its angle for ten links, one does not move."""
    index = {str(atom): atom.index for atom in topology.atoms}
    xyz = mdtraj.load(str(load_dataset("adp-mini").topology_path)).xyz[0].astype(np.float64)
    rng = np.random.default_rng(1)
    frames = np.tile(xyz, (LINKS + 1, 100, 1, 1))
    quads = [
        ["ACE1-H1", "ACE1-CH3", "ACE1-C", "ALA2-N"],
        ["ALA2-N", "ALA2-CA", "ALA2-CB", "ALA2-HB1"],
        ["ALA2-C", "NME3-N", "NME3-C", "NME3-H1"],
    ]
    torsions = np.array([[index[name] for name in quad] for quad in quads])
    for quad, period in ((torsions[0][::-1], 1), (torsions[1], 10)):
        angles = np.repeat(rng.uniform(-np.pi, np.pi, (LINKS // period + 1, 100)), period, axis=0)[: LINKS + 1]
        _place(frames, quad, angles)
    found = decorrelation(frames[0], frames[1:], topology, torsions)
    assert found["neighbour_correlation_torsions_worst"] == pytest.approx(0.9, abs=0.05)
    assert found["neighbour_correlation_torsions"] == pytest.approx(0.45, abs=0.05)


def _place(frames, quad, angles):
    """Turn the last atom of ``quad`` about the bond before it to ``angles`` (links, frames), in place."""
    a, b, c, d = (frames[0, 0, atom] for atom in quad)
    axis = (c - b) / np.linalg.norm(c - b)
    first, bond = (a - b) - axis * ((a - b) @ axis), d - c
    unit, height = first / np.linalg.norm(first), bond @ axis
    radius = np.linalg.norm(bond - axis * height)
    around = np.cos(angles)[..., None] * unit + np.sin(angles)[..., None] * np.cross(axis, unit)
    frames[:, :, quad[3]] = c + axis * height + radius * around
