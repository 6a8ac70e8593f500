"""Drawing trajectories frame after frame (needs torch)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr
from torch import Tensor

from backmapbench.reference_models.ar_internal.network import TURN, Sizes, Transition

# Both bound memory; results do not depend on them but for rounding.
SEQUENCES_AT_ONCE = 8192
RANDOM_AT_ONCE = 1 << 20


def draw(
    network: Transition,
    features: NDArray[np.float32],
    generators: Sequence[np.random.Generator],
    *,
    in_time: bool,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Numbers and free torsions (rad), (sequences, frames, ...) each, for bead features (sequences, frames, features).

    A sequence's first frame is drawn from the density without a frame before, each further one given the one before it;
    without ``in_time`` every frame is drawn as a first one. Each sequence takes its random numbers, frame after frame,
    from the generator of its own: neither other sequences nor later frames change it.
    """
    sequences, frames, _ = features.shape
    numbers = np.empty((sequences, frames, network.sizes.numbers), dtype=np.float32)
    angles = np.empty((sequences, frames, network.sizes.angles), dtype=np.float32)
    for start in range(0, sequences, SEQUENCES_AT_ONCE):
        part = slice(start, start + SEQUENCES_AT_ONCE)
        given, sources = torch.from_numpy(features[part]), generators[part]
        drawn = _in_time(network, given, sources) if in_time else _one_by_one(network, given, sources)
        for block, (some_numbers, some_angles) in drawn:
            numbers[part, block], angles[part, block] = some_numbers.numpy(), some_angles.numpy()
    return numbers, angles


@torch.no_grad()
def _in_time(
    network: Transition, features: Tensor, generators: Sequence[np.random.Generator]
) -> Iterator[tuple[slice, tuple[Tensor, Tensor]]]:
    """Numbers and angles (sequences, 1, ...) of each frame in turn."""
    spreads = torch.linalg.inv(network.factors()).mT
    numbers = torch.zeros(len(features), network.sizes.numbers)
    angles = torch.zeros(len(features), network.sizes.angles)
    for frame, random in enumerate(_random(generators, features.shape[1], network.sizes)):
        known = torch.full((len(features), 1), float(frame > 0))
        past = (features[:, max(0, frame - 1)], numbers, angles)
        context = network.context(features[:, frame], *past, known)
        numbers, angles = _frame(network, context, torch.from_numpy(random), spreads[int(frame > 0)])
        yield slice(frame, frame + 1), (numbers[:, None], angles[:, None])


@torch.no_grad()
def _one_by_one(
    network: Transition, features: Tensor, generators: Sequence[np.random.Generator]
) -> Iterator[tuple[slice, tuple[Tensor, Tensor]]]:
    """Numbers and angles (sequences, block, ...) of blocks of frames without a frame before."""
    spread = torch.linalg.inv(network.factors()).mT[0]
    sequences, frames, _ = features.shape
    each = max(1, SEQUENCES_AT_ONCE // sequences)
    for start in range(0, frames, each):
        block = slice(start, min(start + each, frames))
        now = features[:, block].flatten(0, 1)
        nothing = (torch.zeros(len(now), size) for size in (network.sizes.numbers, network.sizes.angles, 1))
        context = network.context(now, now, *nothing)
        random = torch.from_numpy(_block(generators, block.stop - start, network.sizes)).flatten(0, 1)
        numbers, angles = _frame(network, context, random, spread)
        shape = (sequences, block.stop - start)
        yield block, (numbers.reshape(*shape, network.sizes.numbers), angles.reshape(*shape, network.sizes.angles))


def _random(generators: Sequence[np.random.Generator], frames: int, sizes: Sizes) -> Iterator[NDArray[np.float32]]:
    """Random numbers (sequences, count) of each frame, drawn for many frames at once."""
    each = max(1, RANDOM_AT_ONCE // (len(generators) * _count(sizes)))
    for start in range(0, frames, each):
        yield from _block(generators, min(each, frames - start), sizes).swapaxes(0, 1)


def _block(generators: Sequence[np.random.Generator], frames: int, sizes: Sizes) -> NDArray[np.float32]:
    """Random numbers (sequences, frames, count): standard normal, those that pick a component uniform.

    All are drawn as normal ones: where a generator stands then depends on how many frames it was asked for, not on how
    many at once.
    """
    found = np.stack([source.standard_normal((frames, _count(sizes)), dtype=np.float32) for source in generators])
    picking = found[..., sizes.numbers : sizes.numbers + sizes.angles]
    ndtr(picking, out=picking)
    return found


def _count(sizes: Sizes) -> int:
    """Random numbers behind one frame."""
    return sizes.numbers + 2 * sizes.angles


def _frame(network: Transition, context: Tensor, random: Tensor, spread: Tensor) -> tuple[Tensor, Tensor]:
    """Numbers and angles, (frames, ...) each, of random numbers (frames, count)."""
    sizes = network.sizes
    noise, picking, turning = torch.split(random, [sizes.numbers, sizes.angles, sizes.angles], dim=-1)
    angles = _angles(network, context, picking, turning)
    return network.mean(context, angles) + noise @ spread, angles


def _angles(network: Transition, context: Tensor, uniform: Tensor, normal: Tensor) -> Tensor:
    """Free torsions (frames, angles), rad: one uniform number picks the component, one normal number the angle."""
    weights, centres, widths = network.mixtures(context)
    passed = (torch.cumsum(torch.exp(weights), dim=-1) < uniform[..., None]).sum(-1, keepdim=True)
    chosen = passed.clamp(max=network.components - 1)
    angle = torch.gather(centres, -1, chosen)[..., 0] + torch.gather(widths, -1, chosen)[..., 0] * normal
    return torch.remainder(angle + math.pi, TURN) - math.pi
