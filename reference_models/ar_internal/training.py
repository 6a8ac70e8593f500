"""Fitting the networks by maximum likelihood (needs torch)."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from backmapbench.reference_models.ar_internal.network import Sizes, Transition
from backmapbench.reference_models.ar_internal.settings import Settings, TrainingSettings

LOGGER = logging.getLogger(__name__)
REPORTS = 20  # lines in the log
EVALUATED = 4096  # validation frames behind each of them


@dataclass(frozen=True)
class Steps:
    """Frames as the network sees them, with the index of the frame before.

    Attributes:
        features: float32 (frames, features), of the beads.
        numbers: float32 (frames, numbers), standardised Gaussian coordinates.
        angles: float32 (frames, angles), free torsions, rad.
        before: int (frames,), the frame before, or the frame itself where there is none.
        known: float32 (frames, 1), 1 where there is a frame before.
    """

    features: Tensor
    numbers: Tensor
    angles: Tensor
    before: Tensor
    known: Tensor

    @classmethod
    def of(
        cls,
        features: NDArray[np.float32],
        coordinates: tuple[NDArray[np.float32], NDArray[np.float32]],
        lengths: tuple[int, ...],
        *,
        in_time: bool,
    ) -> Steps:
        """Features, (numbers, angles) of trajectories of ``lengths``; independent frames are not ``in_time``."""
        known = np.full(len(features), in_time)
        known[np.cumsum([0, *lengths[:-1]])] = False
        before = np.arange(len(features)) - known
        numbers, angles = (torch.from_numpy(array) for array in coordinates)
        flag = torch.from_numpy(known.astype(np.float32)[:, None])
        return cls(torch.from_numpy(features), numbers, angles, torch.from_numpy(before), flag)

    def loss(self, network: Transition, frames: Tensor, remembered: Tensor) -> Tensor:
        """Mean negative log density of ``frames``; where ``remembered`` (frames, 1) is 0 the frame before is hidden."""
        before = self.before[frames]
        known = self.known[frames] * remembered
        past = (self.features[before], self.numbers[before], self.angles[before])
        context = network.context(self.features[frames], *past, known)
        return -network.log_density(context, self.numbers[frames], self.angles[frames]).mean()


def train(train: Steps, validation: Steps, settings: Settings, seed: int) -> Transition:
    """A network fitted to ``train``; the same seed gives the same network. Torch's global generator is left alone.

    A share of the frames is shown without the frame before, so that the same network also gives the density of a first
    frame. ``validation`` only says in the log how well the fit generalises.
    """
    steps = settings.training.steps
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sizes = Sizes(train.features.shape[1], train.numbers.shape[1], train.angles.shape[1])
        network = Transition(sizes, settings.network)
        optimiser = torch.optim.AdamW(
            network.parameters(), lr=settings.training.learning_rate, weight_decay=settings.training.weight_decay
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, _rate(steps))
        for step in range(1, steps + 1):
            loss = _step(network, optimiser, train, settings.training)
            schedule.step()
            if step % max(1, steps // REPORTS) == 0:
                held_out = _evaluate(network, validation)
                LOGGER.info("step %d of %d: loss %.3f, validation %.3f nats per frame", step, steps, loss, held_out)
    return network.eval()


def _step(network: Transition, optimiser: torch.optim.Optimizer, data: Steps, settings: TrainingSettings) -> float:
    frames = torch.randint(len(data.features), (settings.batch,))
    remembered = (torch.rand(settings.batch, 1) >= settings.forget).float()
    loss = data.loss(network, frames, remembered)
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
    optimiser.step()
    return float(loss.detach())


def _evaluate(network: Transition, data: Steps) -> float:
    frames = torch.arange(0, len(data.features), max(1, len(data.features) // EVALUATED))
    network.eval()
    with torch.no_grad():
        loss = float(data.loss(network, frames, torch.ones(len(frames), 1)))
    network.train()
    return loss


def _rate(steps: int) -> Callable[[int], float]:
    """Short linear warm-up, then half a cosine down to 0."""
    warm = max(1, steps // 50)
    return lambda step: min(1.0, (step + 1) / warm) * 0.5 * (1 + math.cos(math.pi * step / steps))
