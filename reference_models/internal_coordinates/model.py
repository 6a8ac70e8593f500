"""``InternalCoordinates``: C-alphas to heavy atoms, at the door of the benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import SubmissionError, UnsupportedTaskError
from backmapbench.submissions.protocol import ModelInfo, System, TrainingSet

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from backmapbench.reference_models.internal_coordinates.layout import Layout
    from backmapbench.reference_models.internal_coordinates.weights import Weights
    from backmapbench.reference_models.training import TrainingRequest, TrainingResult
    from backmapbench.reference_models.training.loop import Progress

CHUNK_FRAMES = 256


class InternalCoordinates:
    """Heavy atoms of every residue from C-alphas, which stay where they are.

    Each peptide bond is a planar unit closed between its two C-alphas and turned about their axis; side chains
    follow from chis. All torsions are drawn from a learned density given the C-alphas and the torsions before; bond
    lengths and angles are normal numbers about measured means, so local geometry holds whatever the C-alphas are.
    It knows proteins, not one molecule: the weights that come with the package serve every chain of the 20 amino
    acids.

    Args:
        weights: a file written by training, used in place of what comes with the package.
    """

    info = ModelInfo(
        name="internal-coordinates",
        description="Torsions drawn one after the other from a density given the C-alphas; ideal bonds and angles.",
        licence="MIT",
    )

    def __init__(self, weights: Path | None = None) -> None:
        self._given = weights
        self._weights: Weights | None = None

    def presets(self) -> tuple[str, ...]:
        """Names of the presets."""
        from backmapbench.reference_models.internal_coordinates.settings import presets

        return presets()

    def train(
        self, system: System, training: TrainingSet, request: TrainingRequest, progress: Progress | None = None
    ) -> TrainingResult:
        """Train by a preset and write the weights to the request's folder; a run already there is taken up.

        Raises UnsupportedTaskError for beads that are no C-alphas or residues that are no standard amino acids,
        TrainingError for a run that diverges.
        """
        from backmapbench.reference_models.internal_coordinates.fitting import fit

        self._weights, result = fit(system, training, request, progress)
        return result

    def fit(self, system: System, training: TrainingSet, seed: int) -> None:
        """Take the weights given or those that come with the package; they depend neither on ``training`` nor ``seed``.

        Raises UnsupportedTaskError as ``backmap`` does.
        """
        from backmapbench.reference_models.internal_coordinates.layout import Layout
        from backmapbench.reference_models.internal_coordinates.weights import delivered, read_weights

        layout = Layout.of(system)
        self._weights = read_weights(self._given or delivered())
        self._check(layout)

    def backmap(self, system: System, beads: Trajectories, samples: int, seed: int) -> NDArray[np.float32]:
        """Independent samples of every frame: float32 (samples, frames, atoms, 3), nm.

        Raises SubmissionError before ``fit`` or for beads that are not finite or not the system's; UnsupportedTaskError
        for beads that are no C-alphas, hydrogens, residues that are no standard amino acids or that the training frames
        lacked, and chains of fewer than three residues.
        """
        import torch

        from backmapbench.reference_models.internal_coordinates.caps import in_order
        from backmapbench.reference_models.internal_coordinates.layout import Layout
        from backmapbench.reference_models.internal_coordinates.sampling import chunks

        layout = Layout.of(system)
        weights = self._check(layout)
        check_beads(self.info.name, beads.positions, layout.chains.types.shape[1])
        generator = torch.Generator().manual_seed(seed)
        given = torch.from_numpy(np.asarray(beads.positions, dtype=np.float64))
        out = np.empty((samples, len(beads), layout.size, 3), dtype=np.float32)
        for sample in range(samples):
            for part in chunks(len(given), CHUNK_FRAMES):
                out[sample, part] = in_order(layout, self._draw(weights, given[part], layout, generator))
        return out

    def _draw(self, weights: Weights, ca: Tensor, layout: Layout, generator: Generator) -> Tensor:
        from backmapbench.reference_models.internal_coordinates.sampling import Sampler

        sampler = Sampler(weights.network, weights.tables, weights.preset.sampling)
        return sampler.draw(ca, layout.chains, generator)[0]

    def _check(self, layout: Layout) -> Weights:
        if self._weights is None:
            raise SubmissionError(f"{self.info.name}: not fitted; call fit first")
        unknown = self._weights.tables.unknown(layout.chains.types)
        if unknown:
            raise UnsupportedTaskError(
                f"{self.info.name}: trained without {', '.join(unknown)}; train on frames that hold them"
            )
        return self._weights


class InternalCoordinatesMode(InternalCoordinates):
    """``InternalCoordinates`` at its most central structure: a deterministic map."""

    info = ModelInfo(
        name="internal-coordinates@mode",
        description="The most central of the structures that internal-coordinates draws; a deterministic map.",
        deterministic=True,
        licence="MIT",
    )

    def backmap(self, system: System, beads: Trajectories, samples: int, seed: int) -> NDArray[np.float32]:
        """The same structure ``samples`` times: float32 (samples, frames, atoms, 3), nm; raises as its parent does."""
        return np.repeat(super().backmap(system, beads, 1, seed), samples, axis=0)

    def _draw(self, weights: Weights, ca: Tensor, layout: Layout, generator: Generator) -> Tensor:
        from backmapbench.reference_models.internal_coordinates.sampling import Sampler

        return Sampler(weights.network, weights.tables, weights.preset.sampling).mode(ca, layout.chains)[0]


def check_beads(name: str, positions: NDArray[np.floating], beads: int) -> None:
    """Raise SubmissionError for model ``name`` unless positions are finite and of so many ``beads``."""
    if positions.shape[1] != beads:
        raise SubmissionError(
            f"{name}: given {positions.shape[1]} beads, the mapping has {beads}; give the system's beads"
        )
    if not np.isfinite(positions).all():
        frame = int(np.argmax(~np.isfinite(positions).all(axis=(1, 2))))
        raise SubmissionError(f"{name}: a bead of frame {frame} is not finite; repair the input")
