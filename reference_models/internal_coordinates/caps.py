"""Caps of a chain's ends, from usual bond lengths and angles: no part of what is learned; and all atoms in order."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from backmapbench.reference_models.internal_coordinates.geometry import extend
from backmapbench.reference_models.internal_coordinates.layout import Layout
from backmapbench.reference_models.internal_coordinates.placing import CA, OXYGEN, C, N

_DEGREE = math.pi / 180
PHI = -80 * _DEGREE  # of a capped first residue
# Engh and Huber, Acta Cryst. A47, 392 (1991): nm, rad; the third is the torsion about the bond that leads to the cap.
PEPTIDE_N, PEPTIDE_C = (0.1329, 116.2 * _DEGREE), (0.1329, 121.7 * _DEGREE)
CARBONYL, ACETYL_METHYL, AMIDE_METHYL = (
    (0.1231, 123.0 * _DEGREE, 0.0),
    (0.1525, 116.2 * _DEGREE, math.pi),
    (0.1458, 121.7 * _DEGREE, math.pi),
)


def place_caps(layout: Layout, atoms: Tensor) -> dict[int, Tensor]:
    """Positions (frames, 3), nm, of every atom of a cap, by atom, from residues (frames, residues, SLOTS, 3)."""
    found: dict[int, Tensor] = {}
    for index, (cap, name, residue) in layout.caps.items():
        n, ca, c, o = (atoms[:, residue, slot] for slot in (N, CA, C, OXYGEN))
        if cap == "ACE":
            carbon = extend(n, ca, c, _row(n, (*PEPTIDE_C, PHI)))
            ends = {"C": carbon}
            for other, internal in (("O", CARBONYL), ("CH3", ACETYL_METHYL)):
                ends[other] = extend(carbon, n, ca, _row(n, internal))
        else:
            nitrogen = extend(c, ca, o, _row(n, (*PEPTIDE_N, math.pi)))
            ends = {"N": nitrogen, "C": extend(nitrogen, c, ca, _row(n, AMIDE_METHYL))}
        found[index] = ends[name]
    return found


def in_order(layout: Layout, atoms: Tensor) -> Tensor:
    """Atoms, caps too, in the topology's order (frames, atoms, 3), of residues (frames, residues, SLOTS, 3)."""
    out = torch.empty((len(atoms), layout.size, 3), dtype=atoms.dtype)
    inside = np.flatnonzero(layout.residue >= 0)
    out[:, inside] = atoms[:, layout.residue[inside], layout.slot[inside]]
    for index, positions in place_caps(layout, atoms).items():
        out[:, index] = positions
    return out


def _row(like: Tensor, internal: tuple[float, float, float]) -> Tensor:
    return torch.tensor(internal, dtype=like.dtype).expand(*like.shape[:-1], 3)
