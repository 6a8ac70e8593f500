"""Frames of the embedded villin, and a capped peptide of all 20 amino acids."""

import mdtraj
import numpy as np
import pytest

from backmapbench.coarse_graining import ca
from backmapbench.datasets.catalogue import load_dataset
from backmapbench.datasets.simulation.peptide import build_peptide
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.reference_models.internal_coordinates.model import InternalCoordinates, InternalCoordinatesMode
from backmapbench.submissions import System, TrainingSet


def heavy(topology, positions):
    """Heavy atoms of ``positions`` (frames, atoms, 3) as system and frames."""
    kept = [atom.index for atom in topology.atoms if atom.element.symbol != "H"]
    part = topology.subset(kept)
    return System(part, ca(part), 300.0), independent(np.asarray(positions, dtype=np.float32)[:, kept])


def independent(positions):
    return Trajectories(positions, (1,) * len(positions), None)


@pytest.fixture(scope="session")
def villin():
    """(system, training frames)."""
    dataset = load_dataset("villin-mini")
    return heavy(dataset.topology, dataset.split("train").positions)


@pytest.fixture(scope="session")
def villin_set(villin):
    system, frames = villin
    parts = [independent(frames.positions[part]) for part in (slice(0, 40), slice(40, None))]
    return system, TrainingSet(*parts)


@pytest.fixture(scope="session")
def everything():
    """(system, frame) of ACE-ARNDCQEGHILKMFPSTWYV-NME."""
    topology, positions = build_peptide("ARNDCQEGHILKMFPSTWYV")
    return heavy(mdtraj.Topology.from_openmm(topology), positions[None])


@pytest.fixture(scope="session")
def beads_of():
    """Function of (system, frames) giving the beads."""
    return lambda system, frames: frames.replace_positions(system.mapping.positions(frames.positions))


@pytest.fixture(scope="session")
def fitted():
    """Function of (system, mode) giving a model with the weights of the package."""

    def build(system, *, mode=False):
        model = InternalCoordinatesMode() if mode else InternalCoordinates()
        model.fit(system, None, 0)
        return model

    return build
