"""A made-up protein of five kinds of residues on a helix, and a preset small enough to train in a test."""

import mdtraj
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from backmapbench.coarse_graining import CoarseMapping
from backmapbench.coarse_graining.grouping import contiguous
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.reference_models.cgvae.settings import load_preset
from backmapbench.submissions import System, TrainingSet

SIDES = {"ALA": ["CB"], "SER": ["CB", "OG"], "CYS": ["CB", "SG"], "GLY": [], "VAL": ["CB", "CG1", "CG2"]}
SMALL = (
    "model.width=32",
    "model.hidden=32",
    "loss.kl_warm_up=0",
    "training.learning_rate=0.001",
    "model.atom_cutoff_angstrom=7.0",
    "model.bead_cutoff_angstrom=40.0",
    "model.encoder_cutoff_angstrom=6.0",
    "training.epochs=2",
)


def topology_of(residues, shuffled=None):
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    rng = np.random.default_rng(shuffled)
    for number in range(residues):
        kind = list(SIDES)[number % len(SIDES)]
        residue = topology.add_residue(kind, chain, resSeq=number + 1)
        names = ["N", "CA", "C", "O", *SIDES[kind]]
        for name in names if shuffled is None else rng.permutation(names):
            topology.add_atom(str(name), mdtraj.element.get_by_symbol(name[0]), residue)
    topology.create_standard_bonds()
    return topology


def system_of(topology, beads):
    atoms = np.arange(topology.n_atoms)
    owner = contiguous(topology, atoms, beads)
    groups = [atoms[owner == bead].tolist() for bead in range(beads)]
    return System(topology, CoarseMapping.from_groups(groups, len(atoms), [f"B{n}" for n in range(beads)]), 300.0)


def frames_of(topology, frames, seed):
    """nm: residues along a wide helix, atoms around them as their names say, some noise, turned at random."""
    rng = np.random.default_rng(seed)
    turn = np.radians(40) * np.arange(topology.n_residues)
    helix = np.stack([0.8 * np.cos(turn), 0.8 * np.sin(turn), 0.25 * turn], axis=-1)
    places = helix + rng.normal(scale=0.1, size=(frames, topology.n_residues, 3))
    residue = [atom.residue.index for atom in topology.atoms]
    offsets = {name: np.random.default_rng(sum(map(ord, name))).normal(scale=0.12, size=3) for name in _names()}
    offset = np.array([offsets[atom.name] for atom in topology.atoms])
    atoms = places[:, residue] + offset + rng.normal(scale=0.01, size=(frames, topology.n_atoms, 3))
    return np.einsum("fij,faj->fai", Rotation.random(frames, random_state=rng).as_matrix(), atoms)


def _names():
    return {"N", "CA", "C", "O", *(name for names in SIDES.values() for name in names)}


def trajectories(system, positions):
    centre = system.mapping.positions(positions).mean(axis=1, keepdims=True)
    return Trajectories((positions - centre).astype(np.float32), (1,) * len(positions), None)


@pytest.fixture(scope="session")
def build():
    """Functions to make systems and frames of them."""

    class Build:
        topology = staticmethod(topology_of)
        system = staticmethod(system_of)

        @staticmethod
        def frames(system, count, seed=0):
            return trajectories(system, frames_of(system.topology, count, seed))

    return Build


@pytest.fixture(scope="session")
def system() -> System:
    return system_of(topology_of(15), 5)


@pytest.fixture(scope="session")
def training(system, build) -> TrainingSet:
    return TrainingSet(build.frames(system, 40, seed=1), build.frames(system, 8, seed=2))


@pytest.fixture(scope="session")
def preset():
    return load_preset("nls-mini-ucg-5", SMALL)


@pytest.fixture(scope="session")
def changes() -> tuple[str, ...]:
    return SMALL
