"""Axes that turn with the beads, and the residue of every atom."""

from __future__ import annotations

import torch
from torch import Tensor

from backmapbench.reference_models.internal_coordinates.layout import Layout


def frame_of(trace: Tensor) -> Tensor:
    """Axes (frames, 3, 3), one per row, that turn with traces (frames, residues, 3).

    Noise is drawn in these axes, so that turned beads give the turned structure by the same seed; two beads, or beads
    in a line, leave the axes across open. They are the principal axes, each pointing the way that the chain runs along
    it, and right-handed.
    """
    away = trace - trace.mean(1, keepdim=True)
    _, vectors = torch.linalg.eigh(away.mT @ away)
    along = away @ vectors
    order = torch.linspace(-1, 1, trace.shape[1], dtype=trace.dtype)
    # The square settles the way where a chain comes back to where it began.
    way = ((order + 0.3 * order.square())[:, None] * along).sum(1)
    axes = (vectors * torch.where(way < 0, -1.0, 1.0)[:, None]).mT
    third = torch.linalg.cross(axes[:, 0], axes[:, 1])
    return torch.cat([axes[:, :2], third[:, None]], dim=1)


def owners_of(layout: Layout) -> Tensor:
    """Residue of each atom, (atoms,); an atom of a cap belongs to the residue that the cap is bonded to."""
    owner = layout.residue.copy()
    for atom, (_, _, residue) in layout.caps.items():
        owner[atom] = residue
    return torch.from_numpy(owner)
