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
WATCHED_NM = 0.1  # beyond the limit of a pair: nearer ones are looked at, until an atom has moved half of it
TINY_NM = 1e-9  # in place of lengths of 0
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
        noted, pairs = at, self._near(at)
        for step in range(steps):
            weight = SOFT * (FIRM / SOFT) ** (step / max(1, steps - 1))
            if float((at - noted).square().sum(-1).max()) > (WATCHED_NM / 2) ** 2:
                noted, pairs = at, self._near(at)
            slope = 2 * (at - atoms) + weight * self._slope(at, *pairs)
            at = at - 0.5 / (1 + CROWD * weight) * slope
        return at

    def _near(self, atoms: Tensor) -> tuple[Tensor, Tensor]:
        """Pairs that may come too near before an atom has moved half of ``WATCHED_NM``, and their limits.

        Frames stand one after another: (pairs, 2) of atoms numbered through all frames, and (pairs,), nm.
        """
        watched = (self.nearest + WATCHED_NM).triu(1) * (self.nearest > 0)
        frame, first, second = torch.nonzero(torch.cdist(atoms, atoms) < watched, as_tuple=True)
        offset = frame * atoms.shape[1]
        return torch.stack([first + offset, second + offset], -1), self.nearest[first, second].to(atoms.dtype)

    def _slope(self, atoms: Tensor, pairs: Tensor, nearest: Tensor) -> Tensor:
        """Of the sum of squared misses, by the atoms: nearest distances of ``pairs``, and lengths of bonds."""
        flat = atoms.reshape(-1, 3)
        apart = flat[pairs[:, 0]] - flat[pairs[:, 1]]
        distance = apart.norm(dim=-1)
        push = apart * (-2 * (nearest - distance).clamp_min(0) / distance.clamp_min(TINY_NM))[:, None]
        slope = torch.zeros_like(flat).index_add_(0, pairs[:, 0], push).index_add_(0, pairs[:, 1], -push)
        slope = slope.view(atoms.shape)
        bond = atoms[:, self.bonds[:, 0]] - atoms[:, self.bonds[:, 1]]
        lengths = bond.norm(dim=-1)
        miss = (lengths - self.furthest).clamp_min(0) - (SHORTEST_NM - lengths).clamp_min(0)
        pull = bond * (2 * miss / lengths.clamp_min(TINY_NM))[..., None]
        return slope.index_add_(1, self.bonds[:, 0], pull).index_add_(1, self.bonds[:, 1], -pull)

    def _lengths(self, atoms: Tensor) -> Tensor:
        lengths: Tensor = (atoms[:, self.bonds[:, 0]] - atoms[:, self.bonds[:, 1]]).norm(dim=-1)
        return lengths
