"""Non-bonded pairs: Lennard-Jones and Coulomb between all pairs, and the pairs with values of their own (1-4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from backmapbench.force_field.bonded import register
from backmapbench.force_field.interactions import table
from backmapbench.force_field.safe_geometry import MINIMUM_DISTANCE, between, dot

CLOSEST = MINIMUM_DISTANCE**2  # nm^2
CPU_ELEMENTS = 1 << 15  # of one tile: its handful of temporaries stays in the second-level cache
CUDA_ELEMENTS = 1 << 24  # enough work per kernel; temporaries of half a gigabyte in float32
PRODUCT_ELEMENTS = 1 << 16  # of one tile of ``_by_products``, which has two temporaries
PRODUCT_ATOMS = 64  # from here on matrix products are faster than differences, twice as fast from 175 atoms on
PRODUCT_RADIUS = 2.3
"""nm. Squared distances from matrix products err by up to 3e-15 radius^2 (dot products of five numbers in float64), so
no pair's energy by more than 1e-9 of itself, not even at ``MINIMUM_DISTANCE``, in a frame within this radius."""


class SpecialPairs(nn.Module):
    """Pairs whose interaction replaces the general one: repulsion / r^12 - attraction / r^6, or charge / r."""

    atoms: Tensor
    strengths: Tensor

    def __init__(self, rows: list[tuple[float, ...]]) -> None:
        super().__init__()
        atoms, strengths = table(rows, 2)
        register(self, atoms=atoms, strengths=strengths[..., None])

    def forward(self, x: Tensor) -> Tensor:
        """Energies (frames,) kJ/mol: Lennard-Jones with two parameters per pair, Coulomb with one."""
        d = between(x, self.atoms[0], self.atoms[1])
        inverse = dot(d, d).clamp_min(CLOSEST).reciprocal()
        if len(self.strengths) == 1:
            return (self.strengths[0] * inverse.sqrt()).sum(0)
        sixth = inverse * inverse * inverse
        return ((self.strengths[0] * sixth - self.strengths[1]) * sixth).sum(0)


class AllPairs(nn.Module):
    """Lennard-Jones and Coulomb energies of all pairs, without cutoff."""

    strengths: Tensor

    def __init__(
        self, repulsion: NDArray[np.float64], attraction: NDArray[np.float64], charge: NDArray[np.float64]
    ) -> None:
        super().__init__()
        register(self, strengths=np.stack((repulsion, attraction, charge))[..., None])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Lennard-Jones and Coulomb energies, (frames,) kJ/mol each."""
        apply: Any = _AllPairs.apply  # torch does not type it
        lennard_jones, coulomb = apply(x, self.strengths)
        return lennard_jones, coulomb


class _AllPairs(torch.autograd.Function):
    """Tile by tile, forward and backward, so that memory does not grow with the number of pairs.

    The backward pass computes distances again instead of keeping them, and consists of differentiable operations, so
    forces can be differentiated in turn.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(x, parameters)
        energies = x.new_empty((2, x.shape[2]))
        centred = x - x.mean(1, keepdim=True)
        compact = dot(centred, centred).amax(0) <= PRODUCT_RADIUS**2
        if x.is_cuda or x.dtype != torch.float64 or x.shape[1] < PRODUCT_ATOMS:
            compact = torch.zeros_like(compact)
        for evaluate, chosen in ((_by_products, compact), (_by_differences, ~compact)):
            if chosen.all():
                energies = evaluate(centred, parameters)
            elif chosen.any():
                energies[:, chosen] = evaluate(centred[..., chosen], parameters)
        return energies[0], energies[1]

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None]:
        x, parameters = ctx.saved_tensors
        of_lennard_jones, of_coulomb = upstream
        gradient = torch.zeros_like(x)
        for rows, frames in _tiles(x):
            part = x[..., frames]
            repulsion, attraction, charge = parameters[:, rows, rows.start :]
            d = part[:, rows, None] - part[:, None, rows.start :]
            square, inverse = _squares(d)
            sixth = inverse * inverse * inverse
            # dE/d(r^2) times 2 = (dE/dr) / r
            slope = (6 * attraction - 12 * repulsion * sixth) * sixth * of_lennard_jones[frames]
            slope = (slope - charge * inverse.sqrt() * of_coulomb[frames]) * inverse
            push = d * slope.masked_fill(square < CLOSEST, 0.0)
            gradient[:, rows, frames] += push.sum(2)
            gradient[:, rows.start :, frames] -= push.sum(1)
        return gradient, None


def _by_differences(x: Tensor, parameters: Tensor) -> Tensor:
    """Lennard-Jones and Coulomb energies (2, frames) from differences of coordinates: exact at any distance."""
    energies = x.new_zeros((2, x.shape[2]))
    for rows, frames in _tiles(x):
        part = x[..., frames]
        repulsion, attraction, charge = parameters[:, rows, rows.start :]
        inverse = _squares(part[:, rows, None] - part[:, None, rows.start :])[1]
        sixth = (inverse * inverse).mul_(inverse)
        energies[0, frames] += (repulsion * sixth).sub_(attraction).mul_(sixth).sum((0, 1))
        energies[1, frames] += inverse.sqrt_().mul_(charge).sum((0, 1))
    return energies


def _by_products(x: Tensor, parameters: Tensor) -> Tensor:
    """The same of centred frames by matrix products: |a - b|^2 = (-2a, |a|^2, 1) . (b, 1, |b|^2)."""
    atoms, count = x.shape[1:]
    energies = x.new_zeros((2, count))
    points = x.permute(2, 1, 0)
    square = (points * points).sum(-1, keepdim=True)
    one = torch.ones_like(square)
    left = torch.cat((-2 * points, square, one), -1)
    right = torch.cat((points, one, square), -1).transpose(1, 2).contiguous()
    height = -(-atoms // 8)  # an eighth: less below the diagonal, yet long rows
    for row in range(0, atoms, height):
        rows = slice(row, min(row + height, atoms))
        repulsion, attraction, charge = parameters[:, rows, row:].flatten(1)
        depth = max(1, PRODUCT_ELEMENTS // len(charge))
        for first in range(0, count, depth):
            frames = slice(first, first + depth)
            inverse = torch.bmm(left[frames, rows], right[frames, :, row:]).clamp_min_(CLOSEST).reciprocal_().flatten(1)
            sixth = (inverse * inverse).mul_(inverse)
            energies[0, frames] -= sixth @ attraction
            energies[0, frames] += sixth.mul_(sixth) @ repulsion
            energies[1, frames] += inverse.sqrt_() @ charge
    return energies


def _squares(d: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distances and the inverse of the same after the floor."""
    square = dot(d, d)
    return square, square.clamp_min(CLOSEST).reciprocal()


def _tiles(x: Tensor) -> Iterator[tuple[slice, slice]]:
    """Blocks of rows (each to be paired with the columns from its first row on) and of frames."""
    atoms, frames = x.shape[1:]
    budget = CUDA_ELEMENTS if x.is_cuda else CPU_ELEMENTS
    # Narrow blocks waste less below the diagonal, wide ones take fewer calls.
    height = max(1, min(atoms, max(atoms // 3, 8), max(32, budget // max(atoms, 1) // 4)))
    for row in range(0, atoms, height):
        depth = max(1, budget // (min(height, atoms - row) * (atoms - row)))
        for frame in range(0, frames, depth):
            yield slice(row, min(row + height, atoms)), slice(frame, frame + depth)
