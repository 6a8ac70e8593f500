"""Training of ``cgvae`` as the shared engine wants it told."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from backmapbench.reference_models.cgvae.network import CgvaeNetwork
from backmapbench.reference_models.cgvae.schedule import Cosine, Plateau
from backmapbench.reference_models.cgvae.structure import ANGSTROM_PER_NM
from backmapbench.reference_models.training import Draw, EngineSettings, checkpoint
from backmapbench.reference_models.training.logs import read_log
from backmapbench.reference_models.training.state import LAST
from backmapbench.submissions.protocol import TrainingSet

ROWS_PER_EPOCH = 5  # of the log
MOST_ROWS, MOST_VALIDATIONS = 200, 100  # of a run
MOST_VALIDATION_BATCHES = 64


class CgvaeLearner:
    """Draws frames and latent noise; minimises the network's loss with Adam."""

    def __init__(self, network: CgvaeNetwork, training: TrainingSet, fingerprint: str) -> None:
        self.network: nn.Module = network
        self.training_examples, self.validation_examples = len(training.train), len(training.validation)
        self._preset, self._behaviour, self._fingerprint = network.preset, network.behaviour, fingerprint
        self._latents = (network.beads, network.preset.model.width)
        self._frames = {True: _angstrom(training.train.positions), False: _angstrom(training.validation.positions)}
        self.settings = engine_settings(self)
        course = self._preset.training
        self.schedule: Cosine | Plateau = Cosine(self.settings.steps)
        if course.schedule == "plateau":
            self.schedule = Plateau(course.learning_rate, course.factor)

    @property
    def batch(self) -> int:
        """Frames of a step."""
        return self._preset.training.micro_batch * self._preset.training.accumulate

    def steps(self, per_epoch: int) -> int:
        """Steps of the whole run, where ``per_epoch`` make one pass over the training frames."""
        course = self._preset.training
        return course.steps or (course.epochs or 1) * per_epoch

    @property
    def accumulate(self) -> int:
        """Micro-batches of a step."""
        return self._preset.training.accumulate

    def optimiser(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.network.parameters(), lr=self._preset.training.learning_rate)

    def rate(self, step: int) -> float:
        """As the preset's schedule says."""
        return self.schedule.factor(step)

    def clip(self, step: int) -> float | None:
        """As the preset says."""
        return self._preset.training.clip

    def draw(self, examples: Tensor, generator: Generator, *, training: bool) -> Draw:
        """Atoms, Angstrom, and the latents' noise."""
        noise = torch.randn((len(examples), *self._latents), generator=generator)
        return {"atoms": self._frames[training][examples], "noise": noise}

    def losses(self, network: nn.Module, draw: Draw, step: int) -> dict[str, Tensor]:
        """The network's terms, the KL's weight as far as it has grown.

        A prior that starts as noise about 0 tells beads apart by means that noise drowns; under the KL's full weight
        they may stay there, and then all beads look alike to the decoder.
        """
        terms: dict[str, Tensor] = network(draw["atoms"], draw["noise"])
        loss = self._preset.loss
        if step < loss.kl_warm_up:
            lacking = loss.kl_weight * (1 - step / loss.kl_warm_up)
            terms = terms | {"loss": terms["loss"] - lacking * terms["divergence"]}
        return terms

    def to(self, device: torch.device) -> None:
        """Nothing lies outside network and draw."""

    def description(self) -> dict[str, Any]:
        """Behaviour, preset, structure and data."""
        frames = hashlib.sha256(self._frames[True].numpy().tobytes()).hexdigest()
        return {
            "behaviour": self._behaviour,
            "preset": self._preset.model_dump(exclude_none=True),
            "structure": self._fingerprint,
            "training_frames": frames,
        }

    def catch_up(self, folder: Path) -> None:
        """Tell the schedule the validation losses of the run in ``folder``, up to its checkpoint."""
        if not (folder / LAST).is_file():
            return
        done = int(checkpoint.read(folder / LAST).content["run"]["step"])
        log = read_log(folder)
        for step, loss in zip(log.get("step", []), log.get("validation_loss", []), strict=True):
            if step <= done and np.isfinite(loss):
                self.schedule.validated(int(step), loss)


def engine_settings(learner: CgvaeLearner) -> EngineSettings:
    """The engine's settings: epochs in steps, about one validation per epoch, fewer where epochs are many and short."""
    per_epoch = max(1, learner.training_examples // learner.batch)
    steps = learner.steps(per_epoch)
    row = max(1, per_epoch // ROWS_PER_EPOCH, steps // MOST_ROWS)
    every = row * max(1, per_epoch // row, steps // MOST_VALIDATIONS // row)
    batches = min(MOST_VALIDATION_BATCHES, max(1, learner.validation_examples // learner.batch))
    return EngineSettings(
        steps=steps,
        batch=learner.batch,
        accumulate=learner.accumulate,
        log_every=row,
        validate_every=every,
        validation_batches=batches,
        checkpoint_every=every,
    )


def _angstrom(positions: NDArray[np.floating]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(positions * ANGSTROM_PER_NM, dtype=np.float32))
