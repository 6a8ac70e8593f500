"""Frames of the embedded villin, and models with a tiny network whose weights are drawn at random."""

from dataclasses import replace

import mdtraj
import numpy as np
import pytest
import torch

from backmapbench.coarse_graining import CoarseMapping, ca
from backmapbench.datasets.catalogue import load_dataset
from backmapbench.datasets.simulation.peptide import build_peptide
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.reference_models.chain_flow.model import ChainFlow, ChainFlowMode
from backmapbench.reference_models.chain_flow.network import Velocity
from backmapbench.reference_models.chain_flow.settings import load_preset
from backmapbench.reference_models.chain_flow.weights import Weights, delivered, read_weights
from backmapbench.submissions import System, TrainingSet

SMALL = (
    "network.scalars=16",
    "network.vectors=4",
    "network.heads=2",
    "network.layers=2",
    "sampling.steps=4",
    "sampling.settling=20",
    "sampling.redraws=1",
    "sampling.mode_draws=1",
    "sampling.mode_steps=20",
)


def independent(positions):
    return Trajectories(np.asarray(positions, dtype=np.float32), (1,) * len(positions), None)


@pytest.fixture(scope="session")
def villin():
    """(topology, training frames)."""
    dataset = load_dataset("villin-mini")
    return dataset.topology, independent(dataset.split("train").positions)


@pytest.fixture(scope="session")
def villin_set(villin):
    """(system of 5 beads, TrainingSet)."""
    topology, frames = villin
    parts = [independent(frames.positions[part]) for part in (slice(0, 40), slice(40, None))]
    groups = [[atom.index for atom in topology.atoms if atom.residue.index // 7 == bead] for bead in range(5)]
    mapping = CoarseMapping.from_groups(groups, topology.n_atoms, [f"B{bead}" for bead in range(5)])
    return System(topology, mapping, 300.0), TrainingSet(*parts)


@pytest.fixture(scope="session")
def everything():
    """(topology, frame) of ACE-ARNDCQEGHILKMFPSTWYV-NME, heavy atoms."""
    topology, positions = build_peptide("ARNDCQEGHILKMFPSTWYV")
    topology = mdtraj.Topology.from_openmm(topology)
    kept = [atom.index for atom in topology.atoms if atom.element.symbol != "H"]
    return topology.subset(kept), independent(np.asarray(positions)[None][:, kept])


@pytest.fixture(scope="session")
def beads_of():
    """Function of (system, frames) giving the beads."""
    return lambda system, frames: frames.replace_positions(system.mapping.positions(frames.positions))


@pytest.fixture(scope="session")
def network():
    """A velocity in double precision that is not 0, of random weights."""

    def build(settings=None):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            velocity = Velocity(settings or load_preset("proteins", SMALL).network)
            torch.nn.init.normal_(velocity.leave[-1].weight, std=0.1)
        return velocity.double().eval()

    return build


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory, network):
    path = tmp_path_factory.mktemp("weights") / "weights.toml"
    Weights(load_preset("proteins", SMALL), network(), {"seed": 0}).write(path)
    return path


@pytest.fixture(scope="session")
def delivered_weights(tmp_path_factory):
    """Those of the package, with a mode of few draws."""
    found = read_weights(delivered(0))
    sampling = found.preset.sampling.model_copy(update={"mode_draws": 2})
    path = tmp_path_factory.mktemp("weights") / "weights.toml"
    replace(found, preset=found.preset.model_copy(update={"sampling": sampling})).write(path)
    return path


@pytest.fixture(scope="session")
def fitted(random_weights, delivered_weights):
    """Function of (system, mode, trained) giving a model of random weights or of those of the package."""

    def build(system, *, mode=False, trained=False):
        model = (ChainFlowMode if mode else ChainFlow)(delivered_weights if trained else random_weights)
        model.fit(system, None, 0)
        return model

    return build


@pytest.fixture(scope="session")
def alphas():
    """Function of a topology giving a system whose beads are its C-alphas."""
    return lambda topology: System(topology, ca(topology), 300.0)
