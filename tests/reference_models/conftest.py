"""Alanine dipeptide from the recipe's start structure, moved by known random motions: training frames for the tests."""

from importlib.resources import files

import mdtraj
import networkx as nx
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from backmapbench.coarse_graining import atom_index, atom_slice
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.submissions.protocol import System, TrainingSet

BEADS = ["ACE1:C", "ALA2:N", "ALA2:CA", "ALA2:CB", "ALA2:C", "NME3:N"]
# Bonds turned, and the spread (rad) of the turning angle's slow random walk about the start structure.
BACKBONE = [
    ("ALA2:N", "ALA2:CA", 0.8),
    ("ALA2:CA", "ALA2:C", 0.8),
    ("ACE1:C", "ALA2:N", 0.1),
    ("ALA2:C", "NME3:N", 0.1),
]
METHYLS = [("ACE1:C", "ACE1:CH3"), ("ALA2:CA", "ALA2:CB"), ("NME3:N", "NME3:C")]
HOPS = [0.8, 0.05, 0.8]  # chance per frame that a methyl group takes a new one of its three wells
THERMAL_NM = 0.003


@pytest.fixture(scope="session")
def start() -> mdtraj.Trajectory:
    return mdtraj.load(str(files("backmapbench.datasets") / "recipes" / "ace-ala-nme.pdb"))


@pytest.fixture(scope="session")
def system(start) -> System:
    return System(start.topology, atom_slice(start.topology, BEADS), 300.0)


@pytest.fixture(scope="session")
def moved(start):
    """Function of (lengths, seed) giving trajectories of moved atoms, each frame's bead centroid at the origin."""
    topology = start.topology
    graph = nx.Graph((bond[0].index, bond[1].index) for bond in topology.bonds)
    beads = [atom_index(topology, name) for name in BEADS]

    def turn(atoms, first, second, angles):
        near, far = atom_index(topology, first), atom_index(topology, second)
        cut = graph.copy()
        cut.remove_edge(near, far)
        side = sorted(nx.node_connected_component(cut, far))
        axis = atoms[:, far] - atoms[:, near]
        axis /= np.linalg.norm(axis, axis=-1, keepdims=True)
        rotations = Rotation.from_rotvec(axis * angles[:, None]).as_matrix()
        origin = atoms[:, far, None]
        atoms[:, side] = np.einsum("fij,faj->fai", rotations, atoms[:, side] - origin) + origin

    def trajectory(frames, rng):
        atoms = np.repeat(start.xyz.astype(np.float64), frames, axis=0)
        for first, second, spread in BACKBONE:
            noise = rng.normal(size=frames)
            for frame in range(1, frames):
                noise[frame] = 0.9 * noise[frame - 1] + np.sqrt(1 - 0.81) * noise[frame]
            turn(atoms, first, second, spread * noise)
        for (first, second), hop in zip(METHYLS, HOPS, strict=True):
            well = rng.integers(3, size=frames)
            for frame in range(1, frames):
                if rng.random() > hop:
                    well[frame] = well[frame - 1]
            turn(atoms, first, second, well * 2 * np.pi / 3 + rng.normal(0, 0.2, frames))
        atoms += rng.normal(0, THERMAL_NM, atoms.shape)
        return atoms - atoms[:, beads].mean(axis=1, keepdims=True)

    def generate(lengths, seed, frame_ps=1.0):
        rng = np.random.default_rng(seed)
        atoms = np.concatenate([trajectory(length, rng) for length in lengths]).astype(np.float32)
        return Trajectories(atoms, tuple(lengths), frame_ps)

    return generate


@pytest.fixture(scope="session")
def training(moved) -> TrainingSet:
    return TrainingSet(moved((1000, 1000, 1000), seed=1), moved((200,), seed=2))


@pytest.fixture(scope="session")
def held_out(moved, system) -> Trajectories:
    atoms = moved((30, 20), seed=3)
    return atoms.replace_positions(system.mapping.positions(atoms.positions))
