"""The door every backmapper enters by, a reference model or a stranger's.

A backmapper is any object with ``info`` and ``backmap``; one that learns also has ``fit``. It sees beads, topology,
and a seed. It never sees atoms of the split that it is scored on: the harness does not hand them over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import mdtraj
import numpy as np
from numpy.typing import NDArray

from backmapbench.coarse_graining import CoarseMapping
from backmapbench.datasets.trajectories import Trajectories


@dataclass(frozen=True)
class ModelInfo:
    """What a backmapper says of itself; shown on the board.

    Attributes:
        name: the row's name.
        description: one sentence.
        looks_ahead: whether frame t's atoms may depend on beads of later frames (allowed, but declared).
        deterministic: whether the seed changes nothing; such a model is run with one seed.
        citation: paper or repository, may be empty.
        licence: licence of code and weights, may be empty.
    """

    name: str
    description: str
    looks_ahead: bool = False
    deterministic: bool = False
    citation: str = ""
    licence: str = ""


@dataclass(frozen=True)
class System:
    """The molecule and its coarse graining.

    Attributes:
        topology: atoms, residues and bonds; output must have its atoms in its order.
        mapping: how atoms become beads.
        temperature_K: temperature of the ensemble, K.
    """

    topology: mdtraj.Topology
    mapping: CoarseMapping
    temperature_K: float


@dataclass(frozen=True)
class TrainingSet:
    """Frames that a backmapper may learn from; never those that it is scored on.

    Attributes:
        train: atoms of the training split, nm; each frame has the same origin rule as the beads (their centroid).
        validation: atoms of the validation split.
    """

    train: Trajectories
    validation: Trajectories


@runtime_checkable
class Backmapper(Protocol):
    """Turns beads into atoms."""

    info: ModelInfo

    def backmap(self, system: System, beads: Trajectories, samples: int, seed: int) -> NDArray[np.float32]:
        """All-atom coordinates for every bead frame.

        Args:
            system: topology, mapping and temperature.
            beads: bead positions, nm, (frames, beads, 3) with trajectory boundaries and ``frame_ps`` (None: independent
                frames). On a temporal task all frames of a trajectory are given at once.
            samples: number of independent samples S to draw per frame (per trajectory on a temporal task).
            seed: the same seed gives the same coordinates.

        Returns:
            float32 (samples, frames, atoms, 3), nm, in the beads' frame of reference.
        """
        ...


@runtime_checkable
class TrainableBackmapper(Backmapper, Protocol):
    """A backmapper that the harness fits before it is used."""

    def fit(self, system: System, training: TrainingSet, seed: int) -> None:
        """Learn from ``training``; called once before ``backmap``."""
        ...
