"""``TemporalCvae`` and its twin ``FrameCvae`` at the door of the benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import SubmissionError, UnsupportedTaskError
from backmapbench.submissions.protocol import ModelInfo, System, TrainingSet

if TYPE_CHECKING:
    from backmapbench.reference_models.temporal_cvae.rollout import Sampler
    from backmapbench.reference_models.temporal_cvae.seeds import SeedFrames
    from backmapbench.reference_models.temporal_cvae.weights import Weights
    from backmapbench.reference_models.training import TrainingRequest, TrainingResult
    from backmapbench.reference_models.training.loop import Progress

CITATION = "Shmilovich et al. 2022, J. Phys. Chem. A 126, 9124"


class TemporalCvae:
    """The voxel cVAE: each frame's atoms drawn from its beads and the atoms drawn for the frame before."""

    info = ModelInfo(
        name="temporal-cvae",
        description="Voxel cVAE of beads and the frame before, drawn frame after frame.",
        citation=CITATION,
        licence="MIT",
    )

    def __init__(self, weights: Path | None = None) -> None:
        """``weights``: a file written by training, used in place of what comes with the package."""
        self._given = weights
        self._weights: Weights | None = None
        self._seeds: SeedFrames | None = None

    def presets(self) -> tuple[str, ...]:
        """Names of the presets."""
        from backmapbench.reference_models.temporal_cvae.fitting import PACKAGE
        from backmapbench.reference_models.training.presets import preset_names

        return preset_names(PACKAGE)

    def train(
        self, system: System, training: TrainingSet, request: TrainingRequest, progress: Progress | None = None
    ) -> TrainingResult:
        """Train by a preset and write the weights to the request's folder; a run already there is taken up."""
        from backmapbench.reference_models.temporal_cvae.fitting import fit

        self._prepare(system, training)
        self._weights, result = fit(self.info.name, system, training, request, progress)
        return result

    def fit(self, system: System, training: TrainingSet, seed: int) -> None:
        """Take the weights given, or those that come with the package for these data; they do not depend on ``seed``.

        Raises SubmissionError for weights of another system or model; UnsupportedTaskError where none come with the
        package, and for data without trajectories.
        """
        from backmapbench.reference_models.temporal_cvae.weights import read_weights, shipped, system_entry
        from backmapbench.reference_models.training.errors import untrained
        from backmapbench.reference_models.training.state import first_difference

        self._prepare(system, training)
        path = self._given or shipped(self.info.name, system, training)
        if path is None:
            raise untrained(self.info.name)
        found = read_weights(path)
        different = first_difference(
            {"model": found.model, **found.system},
            {"model": self.info.name, **system_entry(system, training.train.frame_ps)},
        )
        if different:
            raise SubmissionError(
                f"{path}: weights of another system or model ({different}); train on this task's data"
            )
        self._weights = found

    def backmap(self, system: System, beads: Trajectories, samples: int, seed: int) -> NDArray[np.float32]:
        """Independent samples of every trajectory: float32 (samples, frames, atoms, 3), nm.

        Raises SubmissionError before ``fit``, for another system or for beads that are not finite, UnsupportedTaskError
        for beads off the grid, independent or single frames, and trajectories with a jump.
        """
        sampler = self._sampler(system, beads)
        if self._seeds is None:
            raise SubmissionError(f"{self.info.name}: not fitted; call fit with the training split first")
        self._check_time(beads)
        begins = [part.start for part in beads.slices]
        first = self._seeds.before(np.asarray(beads.positions[begins], dtype=np.float64))
        return sampler.trajectories(beads, first, samples, seed)

    def _prepare(self, system: System, training: TrainingSet) -> None:
        from backmapbench.reference_models.temporal_cvae.seeds import SeedFrames

        if training.train.frame_ps is None:
            raise UnsupportedTaskError(
                f"{self.info.name}: made for trajectories, the task has independent frames; use frame-cvae"
            )
        self._seeds = SeedFrames(system, training)

    def _sampler(self, system: System, beads: Trajectories) -> Sampler:
        """The trained decoder, if it is for this system and holds these beads."""
        import torch

        from backmapbench.reference_models.temporal_cvae.extent import check_beads
        from backmapbench.reference_models.temporal_cvae.rollout import Sampler
        from backmapbench.reference_models.temporal_cvae.scene import Scene

        weights = self._weights
        if weights is None:
            raise SubmissionError(f"{self.info.name}: not fitted; call fit with the training split first")
        given = (system.topology.n_atoms, beads.positions.shape[1])
        expected = (weights.system["atoms"], weights.system["beads"])
        if given != expected:
            raise SubmissionError(
                f"{self.info.name}: given {given[0]} atoms in {given[1]} beads, trained with {expected[0]} in "
                f"{expected[1]}; use the system it was trained on"
            )
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        scene = Scene(weights.preset, system, weights.reference)
        check_beads(self.info.name, beads.positions, scene.grid.edge_nm, turned=scene.turned)
        # Convolutions of few channels are a fifth faster with the channels last.
        network: Any = weights.network  # torch's own types leave this keyword out
        network.to(device, memory_format=torch.channels_last_3d)
        return Sampler(network, scene.to(device), weights.mixture)

    def _check_time(self, beads: Trajectories) -> None:
        from backmapbench.reference_models.temporal_cvae.seeds import check_steps

        trained = self._weights.system["frame_ps"] if self._weights else 0.0
        if beads.frame_ps is None or min(beads.lengths) < 2:
            what = "independent frames" if beads.frame_ps is None else "a trajectory of one frame"
            raise UnsupportedTaskError(f"{self.info.name}: made for trajectories, given {what}; use frame-cvae")
        if beads.frame_ps != trained:
            raise UnsupportedTaskError(
                f"{self.info.name}: beads are {beads.frame_ps} ps apart, the training frames {trained} ps; "
                "train on frames of the same spacing"
            )
        check_steps(self.info.name, beads, self._weights.largest_step_nm if self._weights else float("inf"))


class FrameCvae(TemporalCvae):
    """The twin: the same network without the frame before, so each frame is drawn by itself."""

    info = ModelInfo(
        name="frame-cvae",
        description="The voxel cVAE without the frame before: every frame drawn from its beads alone.",
        citation=CITATION,
        licence="MIT",
    )

    def backmap(self, system: System, beads: Trajectories, samples: int, seed: int) -> NDArray[np.float32]:
        """Independent samples of every frame: float32 (samples, frames, atoms, 3), nm.

        Raises SubmissionError before ``fit``, for another system or for beads that are not finite, UnsupportedTaskError
        for beads off the grid.
        """
        return self._sampler(system, beads).frames(beads, samples, seed)

    def _prepare(self, system: System, training: TrainingSet) -> None:
        """Frames need no trajectory."""
