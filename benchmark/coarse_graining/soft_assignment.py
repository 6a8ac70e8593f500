"""Soft assignments of particles to beads, trained by gradient: the auto-encoder of AutoGrain.

Logits W (particles, beads) and a linear decoder D (beads, particles) start from N(0, 1). One update draws Gumbel noise
G and a batch of frames: M = softmax((W + G) / tau) over beads, beads X = M^T x with columns of M normalised to sum 1
(centres of geometry), loss = mean (x - D^T X)^2 + w mean |x - M X|^2 (Wang and Gomez-Bombarelli, npj Comput. Mater.
5, 125 (2019); Wang et al., ICML 2022).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from backmapbench.coarse_graining.settings import Schedule

ANGSTROM_PER_NM = 10.0
TINY = 1e-7  # keeps both logarithms of the Gumbel noise finite
EMPTY_COLUMN = 1e-6  # a bead that no particle leans to stays at the origin instead of dividing 0 by 0


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread within the block: sums are then added in one order, whatever the machine's cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def train(
    positions: NDArray[np.floating], beads: int, restarts: int, schedule: Schedule, generator: torch.Generator
) -> NDArray[np.float32]:
    """Logits (restarts, particles, beads) after training on ``positions`` (frames, particles, 3), nm.

    Restarts are independent runs that see the same batches; they are trained together, as one batch of matrices.
    Randomness comes from ``generator`` alone. Inside, lengths are Angstrom, as the published learning rate assumes.
    """
    centred = (positions - positions.mean(axis=1, keepdims=True)) * ANGSTROM_PER_NM
    frames = torch.from_numpy(np.ascontiguousarray(centred, dtype=np.float32))
    shape = (restarts, positions.shape[1], beads)
    logits = torch.randn(shape, generator=generator).requires_grad_()
    decoder = torch.randn((restarts, beads, positions.shape[1]), generator=generator).requires_grad_()
    optimiser = torch.optim.Adam([logits, decoder], lr=schedule.learning_rate, fused=True)
    for batch, done in _batches(len(frames), schedule, generator):
        for group in optimiser.param_groups:
            group["lr"] = schedule.rate(done)
        uniform = torch.rand(shape, generator=generator).clamp_(TINY, 1 - TINY)
        noise = -torch.log(-torch.log(uniform))
        soft = torch.softmax((logits + noise) / schedule.temperature(done), dim=-1)
        optimiser.zero_grad()
        loss(frames[batch], soft, decoder, schedule.lift_weight).sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return np.asarray(logits.detach().numpy(), dtype=np.float32)


def loss(frames: torch.Tensor, soft: torch.Tensor, decoder: torch.Tensor, lift_weight: float) -> torch.Tensor:
    """Loss (restarts,) of centred frames (frames, particles, 3), in the unit of the frames, squared.

    Soft assignments are (restarts, particles, beads), decoders (restarts, beads, particles). Squares are multiplied
    out, so that nothing as large as restarts x particles x frames is ever formed.
    """
    flat = frames.permute(1, 0, 2).reshape(frames.shape[1], -1)
    means = (soft / soft.sum(dim=1, keepdim=True).clamp_min(EMPTY_COLUMN)).transpose(1, 2)
    beads = (means.reshape(-1, flat.shape[0]) @ flat).reshape(*means.shape[:2], -1)
    products = (beads.reshape(-1, flat.shape[1]) @ flat.T).reshape(means.shape)
    gram = beads @ beads.transpose(1, 2)

    def misfit(weights: torch.Tensor) -> torch.Tensor:
        """Mean over particles, frames and components of (x - weights^T X)^2; weights (restarts, beads, particles)."""
        return (flat.square().sum() + (weights * (gram @ weights - 2 * products)).sum(dim=(1, 2))) / flat.numel()

    return misfit(decoder) + 3 * lift_weight * misfit(soft.transpose(1, 2))


def _batches(frames: int, schedule: Schedule, generator: torch.Generator) -> Iterator[tuple[torch.Tensor, float]]:
    """Batches of frame numbers, each with the part of the updates that is behind; frames in a new order every epoch."""
    per_epoch = math.ceil(frames / schedule.batch_frames)
    updates = schedule.updates_for(frames)
    order = torch.empty(0, dtype=torch.long)
    for update in range(updates):
        place = update % per_epoch
        if place == 0:
            order = torch.randperm(frames, generator=generator)
        yield order[place * schedule.batch_frames : (place + 1) * schedule.batch_frames], update / updates
