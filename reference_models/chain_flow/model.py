"""``ChainFlow``: any beads to heavy atoms, at the door of the benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import SubmissionError, UnsupportedTaskError
from backmapbench.reference_models.internal_coordinates.model import check_beads
from backmapbench.submissions.protocol import ModelInfo, System, TrainingSet

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from backmapbench.reference_models.chain_flow.sampling import Drawer
    from backmapbench.reference_models.chain_flow.weights import Weights
    from backmapbench.reference_models.internal_coordinates.weights import Weights as Torsions
    from backmapbench.reference_models.training import TrainingRequest, TrainingResult
    from backmapbench.reference_models.training.loop import Progress

CHUNK_FRAMES = 256


class ChainFlow:
    """Heavy atoms from beads of any number and any assignment, in one network.

    A Gaussian chain that has the beads is carried to a C-alpha trace by a learned, rotation-equivariant flow; heavy
    atoms follow from ``internal-coordinates``; the trace is moved until the beads are the given ones. It knows
    proteins, not one molecule or one mapping: the weights that come with the package serve every number of beads.

    Args:
        weights: a file written by training, used in place of what comes with the package.
    """

    info = ModelInfo(
        name="chain-flow",
        description="Flow matching from a Gaussian chain that has the beads to C-alphas, then internal coordinates.",
        licence="MIT",
    )

    def __init__(self, weights: Path | None = None) -> None:
        self._given = weights
        self._weights: Weights | None = None
        self._torsions: Torsions | None = None

    def presets(self) -> tuple[str, ...]:
        """Names of the presets."""
        from backmapbench.reference_models.chain_flow.settings import presets

        return presets()

    def train(
        self, system: System, training: TrainingSet, request: TrainingRequest, progress: Progress | None = None
    ) -> TrainingResult:
        """Train by a preset and write the weights to the request's folder; a run already there is taken up.

        Raises UnsupportedTaskError for residues that are no standard amino acids, TrainingError for a run that
        diverges.
        """
        from backmapbench.reference_models.chain_flow.fitting import fit

        weights, result = fit(system, training, request, progress)
        self._take(weights)
        return result

    def fit(self, system: System, training: TrainingSet, seed: int) -> None:
        """Take the weights given, or those that come with the package for ``seed``.

        Raises UnsupportedTaskError where there are none, and as ``backmap`` does.
        """
        from backmapbench.reference_models.chain_flow.weights import delivered, read_weights
        from backmapbench.reference_models.training.errors import untrained

        path = self._given or delivered(seed)
        if path is None:
            raise untrained(self.info.name)
        self._take(read_weights(path))
        self._drawer(system)

    def backmap(self, system: System, beads: Trajectories, samples: int, seed: int) -> NDArray[np.float32]:
        """Independent samples of every frame: float32 (samples, frames, atoms, 3), nm.

        Raises SubmissionError before ``fit`` or for beads that are not finite or not the system's; UnsupportedTaskError
        for hydrogens, residues that are no standard amino acids, chains of fewer than three residues or without a bead.
        """
        import torch

        drawer = self._drawer(system)
        check_beads(self.info.name, beads.positions, system.mapping.beads)
        given = torch.from_numpy(np.asarray(beads.positions, dtype=np.float64))
        generator = torch.Generator().manual_seed(seed)
        out = np.empty((samples, len(beads), system.topology.n_atoms, 3), dtype=np.float32)
        for sample in range(samples):
            for first in range(0, len(given), CHUNK_FRAMES):
                part = slice(first, first + CHUNK_FRAMES)
                out[sample, part] = self._draw(drawer, given[part], generator)
        return out

    def _draw(self, drawer: Drawer, given: Tensor, generator: Generator) -> NDArray[np.float64]:
        return drawer.draw(given, generator)

    def _take(self, weights: Weights) -> None:
        from backmapbench.reference_models.internal_coordinates.weights import delivered, read_weights

        self._weights, self._torsions = weights, read_weights(delivered())

    def _drawer(self, system: System) -> Drawer:
        from backmapbench.reference_models.chain_flow.sampling import Drawer

        if self._weights is None or self._torsions is None:
            raise SubmissionError(f"{self.info.name}: not fitted; call fit first")
        drawer = Drawer(system, self._weights, self._torsions)
        unknown = self._torsions.tables.unknown(drawer.layout.chains.types)
        if unknown:
            raise UnsupportedTaskError(
                f"{self.info.name}: internal-coordinates was trained without {', '.join(unknown)}; "
                "train it on frames that hold them"
            )
        return drawer


class ChainFlowMode(ChainFlow):
    """The mean of what ``ChainFlow`` draws, with atoms parted: a deterministic map of small deviation."""

    info = ModelInfo(
        name="chain-flow@mode",
        description="The mean of what chain-flow draws, atoms moved as little as parts them; a deterministic map.",
        deterministic=True,
        licence="MIT",
    )

    def backmap(self, system: System, beads: Trajectories, samples: int, seed: int) -> NDArray[np.float32]:
        """The same structure ``samples`` times: float32 (samples, frames, atoms, 3), nm; raises as its parent does."""
        return np.repeat(super().backmap(system, beads, 1, seed), samples, axis=0)

    def _draw(self, drawer: Drawer, given: Tensor, generator: Generator) -> NDArray[np.float64]:
        return drawer.mode(given)
