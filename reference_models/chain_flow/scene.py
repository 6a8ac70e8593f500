"""What the network knows of a batch of chains with their beads, and the vectors that it starts from."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

UNIT_NM = 0.5  # lengths are given to the network in this unit
STEPS = (-2, -1, 1, 2)  # neighbours along the chain whose position a residue is given
FAR = 5  # residues on either side whose mean position tells the direction of the chain
REACH = 10  # residues beyond which a chain's end is not seen
OFFSET = 8  # largest distance along the chain that attention tells apart
INPUTS = 5 + len(STEPS) + 2
STATIC = 5  # numbers of a residue beside its type


@dataclass(frozen=True)
class Scene:
    """What the network knows of a batch of chains; lengths in nm.

    Attributes:
        types: (frames, residues), NO_RESIDUE for padding.
        chain: number of the chain, -1 for padding, (frames, residues).
        operator: (frames, beads, residues), as in ``Beads``; also the next.
        share: (frames, residues, beads).
        spread: of the prior, (frames, residues).
        beads: positions (frames, beads, 3).
        mean: of the prior, (frames, residues, 3).
    """

    types: Tensor
    chain: Tensor
    operator: Tensor
    share: Tensor
    spread: Tensor
    beads: Tensor
    mean: Tensor

    def float(self) -> Scene:
        """The same in single precision, or whatever ``torch.get_default_dtype`` is."""
        kind = torch.get_default_dtype()
        floats = {name: getattr(self, name).to(kind) for name in ("operator", "share", "spread", "beads", "mean")}
        return replace(self, **floats)


@dataclass(frozen=True)
class Context:
    """What does not change along the flow.

    Attributes:
        static: (frames, residues, STATIC).
        pair: offset along the chain as an index, (frames, residues, residues); one more for other chains.
        mates: share of beads in common, (frames, residues, residues).
        seen: 0 where attention may look and -inf elsewhere, (frames, residues, residues).
        near: whether the neighbour at each of STEPS and at -FAR, FAR is of the same chain, (frames, residues, n).
        own: centre of the residue's beads, (frames, residues, 3).
    """

    static: Tensor
    pair: Tensor
    mates: Tensor
    seen: Tensor
    near: Tensor
    own: Tensor

    @classmethod
    def of(cls, scene: Scene) -> Context:
        """Of a scene."""
        chain, kind = scene.chain, scene.mean.dtype
        real = chain >= 0
        order = torch.arange(chain.shape[1])
        same = (chain[:, :, None] == chain[:, None]) & real[:, None]
        before = (same & (order < order[:, None])).sum(-1)
        after = (same & (order > order[:, None])).sum(-1)
        offset = (order - order[:, None]).clamp(-OFFSET, OFFSET) + OFFSET
        pair = torch.where(same, offset, 2 * OFFSET + 1)
        inside = scene.share.sum(-1, keepdim=True)
        own = scene.share @ scene.beads + (1 - inside) * scene.mean
        mates = scene.share @ scene.share.mT
        static = torch.stack(
            [
                before.clamp_max(REACH) / REACH,
                after.clamp_max(REACH) / REACH,
                (before + after + 1).log() / 4,
                mates.sum(-1).clamp_min(1.0).log() / 3,
                scene.spread / UNIT_NM,
            ],
            dim=-1,
        )
        near = torch.stack([shifted(chain, step, -2) == chain for step in (*STEPS, -FAR, FAR)], dim=-1)
        seen = torch.where(real, 0.0, -math.inf)[:, None].expand(-1, len(order), -1)
        return cls(static.to(kind), pair, mates, seen.to(kind), near.to(kind)[..., None], own)


def inputs_of(scene: Scene, context: Context, at: Tensor) -> Tensor:
    """Vectors that a residue starts from, (frames, residues, INPUTS, 3), nm."""
    mean, near = scene.mean, context.near
    missing = scene.share @ (scene.beads - scene.operator @ at)
    far = [(shifted(mean, step) - mean) * near[..., len(STEPS) + place, :] for place, step in enumerate((-FAR, FAR))]
    steps = [(shifted(at, step) - at) * near[..., place, :] for place, step in enumerate(STEPS)]
    tangent = shifted(mean, 1) * near[..., 2, :] - shifted(mean, -1) * near[..., 1, :]
    tangent = tangent + mean * (near[..., 1, :] - near[..., 2, :])
    whole = [at - context.own, at - mean, mean - context.own, missing, tangent]
    return torch.stack([*whole, *steps, *far], dim=-2)


def shifted(values: Tensor, step: int, fill: float = 0.0) -> Tensor:
    """Values of the residue ``step`` further along the chain; ``fill`` beyond the ends."""
    moved = values.roll(-step, dims=1)
    edge = slice(-step, None) if step > 0 else slice(None, -step)
    moved[:, edge] = fill
    return moved
