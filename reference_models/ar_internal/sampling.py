"""Drawing trajectories frame after frame (needs torch)."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backmapbench.reference_models.ar_internal.network import TURN, Transition

SEQUENCES_AT_ONCE = 8192


def draw(
    network: Transition, features: NDArray[np.float32], generator: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Numbers and free torsions (rad), (sequences, frames, ...) each, for bead features (sequences, frames, features).

    A sequence's first frame is drawn from the density without a frame before, each further one given the one before it.
    """
    parts = np.array_split(features, math.ceil(len(features) / SEQUENCES_AT_ONCE))
    drawn = [_draw(network, torch.from_numpy(part), generator) for part in parts]
    numbers, angles = (np.concatenate([part[i].numpy() for part in drawn]) for i in range(2))
    return numbers, angles


@torch.no_grad()
def _draw(network: Transition, features: Tensor, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
    sequences, frames, _ = features.shape
    spreads = torch.linalg.inv(network.factors()).mT
    numbers = torch.zeros(sequences, frames, network.sizes.numbers)
    angles = torch.zeros(sequences, frames, network.sizes.angles)
    for frame in range(frames):
        before = max(0, frame - 1)
        known = torch.full((sequences, 1), float(frame > 0))
        past = (features[:, before], numbers[:, before], angles[:, before])
        context = network.context(features[:, frame], *past, known)
        angles[:, frame] = _draw_angles(network, context, generator)
        noise = torch.from_numpy(generator.standard_normal((sequences, network.sizes.numbers), dtype=np.float32))
        numbers[:, frame] = network.mean(context, angles[:, frame]) + noise @ spreads[int(frame > 0)]
    return numbers, angles


def _draw_angles(network: Transition, context: Tensor, generator: np.random.Generator) -> Tensor:
    """Free torsions (sequences, angles), rad: one uniform number picks the component, one normal number the angle."""
    shape = (len(context), network.sizes.angles)
    uniform = torch.from_numpy(generator.random((*shape, 1), dtype=np.float32))
    normal = torch.from_numpy(generator.standard_normal(shape, dtype=np.float32))
    weights, centres, widths = network.mixtures(context)
    passed = (torch.cumsum(torch.exp(weights), dim=-1) < uniform).sum(-1, keepdim=True)
    chosen = passed.clamp(max=network.components - 1)
    angle = torch.gather(centres, -1, chosen)[..., 0] + torch.gather(widths, -1, chosen)[..., 0] * normal
    return torch.remainder(angle + math.pi, TURN) - math.pi
