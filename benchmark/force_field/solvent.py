"""Generalised Born implicit solvent: OBC (Onufriev, Bashford, Case 2004) and GBn (Mongan et al. 2007)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from backmapbench.force_field.bonded import register
from backmapbench.force_field.interactions import ImplicitSolvent
from backmapbench.force_field.pairs import CPU_ELEMENTS, CUDA_ELEMENTS
from backmapbench.force_field.safe_geometry import MINIMUM_DISTANCE, dot

PROBE = 0.14  # nm, radius of water in the surface term (Schaefer, Bartels, Karplus 1998)


class GeneralisedBorn(nn.Module):
    """Polarisation energy with Born radii from pairwise descreening, and a surface term.

    Atoms closer than ``MINIMUM_DISTANCE`` descreen each other as at that distance.
    """

    charge: Tensor
    offset_radius: Tensor
    scaled_radius: Tensor
    radius: Tensor
    rescaling: Tensor
    neck_distance: Tensor
    neck_height: Tensor

    def __init__(self, model: ImplicitSolvent) -> None:
        super().__init__()
        self.engulfed, self.neck_cutoff, self.kappa = model.engulfed, model.neck_cutoff, model.kappa
        self.inner, self.outer, self.surface = model.inner, model.outer, model.surface
        self.has_neck = model.neck is not None
        distance, height = model.neck if model.neck is not None else np.zeros((2, 1, 1))
        register(self, charge=model.charge[:, None], offset_radius=model.offset_radius[:, None])
        register(self, scaled_radius=model.scaled_radius[:, None], radius=model.radius[:, None])
        register(self, rescaling=model.rescaling[..., None])
        register(self, neck_distance=distance[..., None], neck_height=height[..., None])

    def forward(self, x: Tensor) -> Tensor:
        """Energies (frames,) kJ/mol, block by block; a block's temporaries are computed again on the way back."""
        atoms, frames = x.shape[1:]
        budget = CUDA_ELEMENTS if x.is_cuda else CPU_ELEMENTS
        height = max(1, min(atoms, budget // max(atoms, 1)))
        depth = max(1, budget // max(height * atoms, 1))
        return torch.cat([self._energy(x[..., first : first + depth], height) for first in range(0, frames, depth)])

    def _energy(self, x: Tensor, height: int) -> Tensor:
        blocks = [slice(row, row + height) for row in range(0, x.shape[1], height)]
        integral = torch.cat([_lean(self._integral, x, rows) for rows in blocks])
        psi = integral * self.offset_radius
        alpha, beta, gamma = self.rescaling
        filled = torch.tanh(((gamma * psi - beta) * psi + alpha) * psi)
        born = 1 / (1 / self.offset_radius - filled / self.radius)
        energy = self.surface * ((self.radius + PROBE) ** 2 * (self.radius / born) ** 6).sum(0)
        for rows in blocks:
            energy = energy + _lean(self._polarisation, x, born, rows)
        return energy

    def _integral(self, x: Tensor, rows: slice) -> Tensor:
        """Descreening integrals of atoms ``rows`` over the spheres of all others: (rows, frames) 1/nm."""
        d = x[:, rows, None] - x[:, None]
        oneself = torch.eye(x.shape[1], dtype=torch.bool, device=x.device)[rows, :, None]
        r = dot(d, d).clamp_min(MINIMUM_DISTANCE**2).sqrt()
        born, sphere = self.offset_radius[rows, None], self.scaled_radius[None]
        reached = r + sphere >= born
        # Where the sphere does not reach, any harmless radius will do: what comes of it is masked below.
        upper = (r + sphere).where(reached, born)
        lower = torch.maximum((r - sphere).abs(), born)
        u, v = 1 / upper, 1 / lower
        total = 0.5 * (v - u + 0.25 * (r - sphere * sphere / r) * (u * u - v * v) + 0.5 * torch.log(lower * u) / r)
        if self.engulfed:
            total = total + (1 / born - v).masked_fill(sphere - r <= born, 0.0)
        total = total.masked_fill(~reached, 0.0)
        if self.has_neck:
            total = total + self._neck(r, rows)
        return total.masked_fill(oneself, 0.0).sum(1)

    def _neck(self, r: Tensor, rows: slice) -> Tensor:
        """Part of the space between two spheres too narrow for water."""
        cutoff = self.radius[rows, None] + self.radius[None] + self.neck_cutoff
        away = torch.minimum(r, cutoff) - self.neck_distance[rows]
        square = away * away
        height = self.neck_height[rows] / (1 + 100 * square + 3e5 * square * square * square)
        return height.masked_fill(r > cutoff, 0.0)

    def _polarisation(self, x: Tensor, born: Tensor, rows: slice) -> Tensor:
        """Half of the energies of atoms ``rows`` with all atoms, themselves included: (frames,) kJ/mol."""
        d = x[:, rows, None] - x[:, None]
        square, product = dot(d, d), born[rows, None] * born[None]
        f = (square + product * torch.exp(-square / (4 * product))).sqrt()
        screened = self.inner - self.outer * (torch.exp(-self.kappa * f) if self.kappa else 1.0)
        return (-0.5 * screened * (self.charge[rows, None] * self.charge[None]) / f).sum((0, 1))


def _lean(block: Callable[..., Tensor], *arguments: Any) -> Tensor:
    """Run a block without keeping its temporaries for the backward pass, which computes them again."""
    if not torch.is_grad_enabled():
        return block(*arguments)
    result: Tensor = checkpoint(block, *arguments, use_reentrant=False, preserve_rng_state=False)
    return result
