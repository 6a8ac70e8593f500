"""C-alpha traces with the bond lengths of peptides, possible angles and no overlaps, near given ones."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

SHORTEST_NM, LONGEST_NM = 0.378, 0.392  # of C-alphas joined by a trans peptide bond
NARROWEST_NM, WIDEST_NM = 0.505, 0.735  # of C-alphas two bonds apart: angles of 81 and 145 degrees
CONTACT_NM = 0.45  # of C-alphas further apart along the chain
SHAKES = 4  # Newton steps at the end; errors fall quadratically
TINY_NM = 1e-6


@dataclass(frozen=True)
class Chain:
    """What the geometry of a trace is about.

    Attributes:
        linked: whether a residue is bonded to the next, (residues,).
        operator: beads that are kept, (beads, residues).
        gain: C-alphas' smoothest answer to a move of the beads, (residues, beads); ``operator @ gain`` is 1.
    """

    linked: Tensor
    operator: Tensor
    gain: Tensor

    def settle(self, ca: Tensor, rounds: int) -> Tensor:
        """Traces near ``ca`` (frames, residues, 3), nm, double, with the same beads up to a little.

        Rounds of moves: of pairs that overlap and of angles beyond what is possible, of bonds, and of the whole towards
        the beads; bonds have the last word.
        """
        beads = self.operator @ ca
        for _ in range(rounds):
            ca = self._pairs(ca)
            ca = self._bonds(ca)
            ca = ca + self.gain @ (beads - self.operator @ ca)
        for _ in range(SHAKES if rounds else 0):
            ca = self._bonds(ca)
        return ca

    def _pairs(self, ca: Tensor) -> Tensor:
        """Half of what each pair misses, given to both of it."""
        count = ca.shape[1]
        order = torch.arange(count)
        apart = (order[:, None] - order).abs()
        lower = torch.full((count, count), CONTACT_NM, dtype=ca.dtype)
        upper = torch.full((count, count), torch.inf, dtype=ca.dtype)
        joined = self.linked[:-2] & self.linked[1:-1]
        rows = order[:-2][joined]
        for first, second in ((rows, rows + 2), (rows + 2, rows)):
            lower[first, second], upper[first, second] = NARROWEST_NM, WIDEST_NM
        rows = order[:-1][self.linked[:-1]]
        lower[rows, rows + 1] = lower[rows + 1, rows] = 0.0
        lower[apart == 0] = 0.0
        vectors = ca[:, :, None] - ca[:, None]
        gaps = vectors.norm(dim=-1).clamp_min(TINY_NM)
        missing = (lower - gaps).clamp_min(0) - (gaps - upper).clamp_min(0)
        moves: Tensor = (0.5 * (missing / gaps)[..., None] * vectors).sum(2)
        return ca + moves

    def _bonds(self, ca: Tensor) -> Tensor:
        """One Newton step on all bonds at once (Ryckaert, Ciccotti, Berendsen, J. Comput. Phys. 23, 327, 1977)."""
        rows = torch.nonzero(self.linked)[:, 0]
        if not len(rows):
            return ca
        vectors = ca[:, rows + 1] - ca[:, rows]
        gaps = vectors.norm(dim=-1).clamp_min(TINY_NM)
        along = vectors / gaps[..., None]
        wrong = gaps - gaps.clamp(SHORTEST_NM, LONGEST_NM)
        matrix = torch.diag_embed(torch.full_like(gaps, 2.0))
        follows = torch.nonzero(rows[1:] == rows[:-1] + 1)[:, 0]
        shared = -(along[:, follows] * along[:, follows + 1]).sum(-1)
        matrix[:, follows, follows + 1] = shared
        matrix[:, follows + 1, follows] = shared
        pull = torch.linalg.solve(matrix, wrong[..., None]) * along
        moved = ca.clone()
        moved[:, rows] += pull
        moved[:, rows + 1] -= pull
        return moved
