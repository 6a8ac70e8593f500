"""Heavy atoms that are too near or too far: counted, and moved apart by as little as can be."""

from __future__ import annotations

from dataclasses import dataclass

import mdtraj
import torch
from torch import Tensor

# Covalent radii as in tables for bond perception, nm: atoms are bonded within about 1.3 times their sum.
RADII_NM = {"C": 0.068, "N": 0.068, "O": 0.068, "S": 0.102}
OTHER_NM = 0.075
FREE, BONDED = 1.38, 1.2  # of the sum of radii: nearest of atoms without a bond, furthest of those with one
SHORTEST_NM = 0.11
FIRM, SOFT = 200.0, 0.1  # weight of the limits against squared moves, at the end and at the start
NUDGE_NM = 0.005
CROWD = 3.0  # limits that an atom misses at once; steps are as long as is stable with so many
FRAMES = 32  # at once


@dataclass(frozen=True)
class Contacts:
    """Limits of the distances between the heavy atoms of one molecule.

    Attributes:
        nearest: what atoms without a bond keep, (atoms, atoms), nm; 0 where there is a bond, and on the diagonal.
        bonds: pairs of bonded atoms, (bonds, 2).
        furthest: of each bond, (bonds,), nm.
    """

    nearest: Tensor
    bonds: Tensor
    furthest: Tensor

    @classmethod
    def of(cls, topology: mdtraj.Topology) -> Contacts:
        """Of a topology with bonds."""
        symbols = ["" if atom.element is None else atom.element.symbol for atom in topology.atoms]
        radii = torch.tensor([RADII_NM.get(symbol, OTHER_NM) for symbol in symbols])
        sums = radii[:, None] + radii
        pairs = [(first.index, second.index) for first, second in topology.bonds]
        bonds = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2)
        nearest = FREE * sums
        nearest[bonds[:, 0], bonds[:, 1]] = nearest[bonds[:, 1], bonds[:, 0]] = 0.0
        nearest.fill_diagonal_(0.0)
        return cls(nearest, bonds, BONDED * sums[bonds[:, 0], bonds[:, 1]])

    def broken(self, atoms: Tensor) -> Tensor:
        """How far limits are missed, summed over pairs: (frames,), nm, of atoms (frames, atoms, 3)."""
        found = []
        for part in torch.split(atoms.float(), FRAMES):
            near = (self.nearest - torch.cdist(part, part)).clamp_min(0).sum((-1, -2)) / 2
            found.append(near + (self._lengths(part) - self.furthest).clamp_min(0).sum(-1))
        return torch.cat(found)

    def spread(self, atoms: Tensor, steps: int) -> Tensor:
        """Atoms (frames, atoms, 3), nm, moved as little as brings them within the limits, nearly.

        Steepest descent on the sum of squared moves and of squared misses, whose weight grows: no momentum and no
        scaling of single coordinates, which would make rounding grow with every step.
        """
        return torch.cat([self._spread(part, steps) for part in torch.split(atoms, FRAMES)])

    def _spread(self, atoms: Tensor, steps: int) -> Tensor:
        # Atoms in one place have no direction to part in, and a fixed one gives the same structure every time.
        nudge = torch.randn(atoms.shape[1:], generator=torch.Generator().manual_seed(0), dtype=atoms.dtype)
        at = atoms + NUDGE_NM * nudge
        for step in range(steps):
            weight = SOFT * (FIRM / SOFT) ** (step / max(1, steps - 1))
            tried = at.detach().requires_grad_()
            with torch.enable_grad():
                loss = (tried - atoms).square().sum() + weight * self._misses(tried)
            (slope,) = torch.autograd.grad(loss, tried)
            at = at - 0.5 / (1 + CROWD * weight) * slope
        return at

    def _misses(self, atoms: Tensor) -> Tensor:
        near = (self.nearest - torch.cdist(atoms, atoms)).clamp_min(0).square().sum() / 2
        lengths = self._lengths(atoms)
        long = (lengths - self.furthest).clamp_min(0).square().sum()
        return near + long + (SHORTEST_NM - lengths).clamp_min(0).square().sum()

    def _lengths(self, atoms: Tensor) -> Tensor:
        lengths: Tensor = (atoms[:, self.bonds[:, 0]] - atoms[:, self.bonds[:, 1]]).norm(dim=-1)
        return lengths
