"""Energies of many frames at once: any supported OpenMM System as a torch module."""

from __future__ import annotations

from typing import Self

import openmm
import torch
from torch import Tensor, nn

from backmapbench.errors import DataError
from backmapbench.force_field.interactions import Interactions
from backmapbench.force_field.reading import read
from backmapbench.force_field.safe_geometry import COORDINATE_LIMIT
from backmapbench.force_field.terms import TERMS, build

CPU_INTERACTIONS = 1 << 16  # bonded interactions times frames in one pass: temporaries of some megabytes
CUDA_INTERACTIONS = 1 << 24


class TorchForceField(nn.Module):
    """Potential energy of a System, term by term, differentiable, in float32 or float64, on any device.

    In float64 it agrees with OpenMM's Reference platform to rounding. Energies and gradients are finite for every
    position up to ``COORDINATE_LIMIT``: pairs closer than ``MINIMUM_DISTANCE`` have the energy of that distance and no
    force, and a torsion that straight angles leave undefined counts as 0 with no force. A frame with NaN, infinity or a
    coordinate beyond the limit has infinite energy in every term and zero gradient, and spoils no other frame.

    The parameters are buffers outside the state dict: ``to`` moves them, checkpoints do not hold them.

    Attributes:
        atoms: number of atoms.
        names: terms that this System has, a subset of ``TERMS`` in its order.
    """

    _like: Tensor

    def __init__(self, interactions: Interactions) -> None:
        super().__init__()
        built = build(interactions)
        self.atoms = interactions.atoms
        self.names = tuple(name for name in TERMS if any(name in labels for labels, _ in built))
        self._labels = [labels for labels, _ in built]
        self._modules_of_terms = nn.ModuleList([module for _, module in built])
        self._width = max(1, *map(len, (interactions.bonds, interactions.torsions, interactions.angles)))
        self.register_buffer("_like", torch.zeros((), dtype=torch.float64), persistent=False)

    @classmethod
    def from_system(cls, system: openmm.System) -> Self:
        """The force field of ``system``, in float64 on the CPU. Constraints and virtual sites play no part.

        Raises ForceFieldError for a force, or a setting of one, that has no counterpart.
        """
        return cls(read(system))

    def terms(self, positions: Tensor) -> dict[str, Tensor]:
        """Energies by term, (...) kJ/mol each, of positions (..., atoms, 3) in nm; in the module's type and device.

        Raises DataError for another shape.
        """
        if positions.ndim < 2 or positions.shape[-2:] != (self.atoms, 3):
            shape = tuple(positions.shape)
            raise DataError(f"energies need (..., {self.atoms}, 3) positions, got {shape}; give every atom")
        shape = positions.shape[:-2]
        frames = positions.reshape(shape.numel(), self.atoms, 3).to(self._like)
        bad = ~(frames.abs() <= COORDINATE_LIMIT).all(-1).all(-1)
        x = frames.masked_fill(bad[:, None, None], 0.0).permute(2, 1, 0)
        depth = max(1, (CUDA_INTERACTIONS if x.is_cuda else CPU_INTERACTIONS) // self._width)
        parts = [self._evaluate(x[..., first : first + depth]) for first in range(0, len(bad), depth)]
        energies = {name: torch.cat([part[name] for part in parts]) if parts else x[0, 0] for name in self.names}
        return {name: energy.masked_fill(bad, torch.inf).reshape(shape) for name, energy in energies.items()}

    def forward(self, positions: Tensor) -> Tensor:
        """Potential energies (...) kJ/mol of positions (..., atoms, 3) in nm. Raises DataError for another shape."""
        total = self._like.new_zeros(positions.shape[:-2])
        for energy in self.terms(positions).values():
            total = total + energy
        return total

    def forces(self, positions: Tensor) -> Tensor:
        """Forces (..., atoms, 3) in kJ/(mol nm), detached. Raises DataError for another shape."""
        x = positions.detach().to(self._like)
        if not self.names:
            return torch.zeros_like(x)
        with torch.enable_grad():
            x.requires_grad_()
            (gradient,) = torch.autograd.grad(self(x).sum(), x)
        return -gradient

    def _evaluate(self, x: Tensor) -> dict[str, Tensor]:
        """Terms of one block of frames (3, atoms, frames)."""
        x = x.contiguous()
        found: dict[str, Tensor] = {}
        for labels, module in zip(self._labels, self._modules_of_terms, strict=True):
            result = module(x)
            for name, energy in zip(labels, result if isinstance(result, tuple) else (result,), strict=True):
                found[name] = found[name] + energy if name in found else energy
        return found
