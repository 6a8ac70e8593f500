"""Geometry of many frames at once: torsions, and which of them are defined."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DEGENERATE = 1e-6  # nm^2: below this the cross product of two bonds has no direction


def torsions(xyz: NDArray[np.floating], quads: NDArray[np.intp]) -> NDArray[np.float64]:
    """Torsion angles in radians, (-pi, pi], IUPAC sign: (..., torsions).

    ``xyz``: (..., atoms, 3), nm. ``quads``: atom indices (torsions, 4).

    NaN where three of the four atoms lie on a line (or two on one point), so that the angle is undefined.
    """
    points = np.asarray(xyz, dtype=np.float64)[..., np.asarray(quads), :]
    first = points[..., 1, :] - points[..., 0, :]
    axis = points[..., 2, :] - points[..., 1, :]
    last = points[..., 3, :] - points[..., 2, :]
    left, right = np.cross(first, axis), np.cross(axis, last)
    x = (left * right).sum(-1)
    y = (first * right).sum(-1) * np.linalg.norm(axis, axis=-1)
    defined = (np.linalg.norm(left, axis=-1) > DEGENERATE) & (np.linalg.norm(right, axis=-1) > DEGENERATE)
    return np.where(defined & np.isfinite(x) & np.isfinite(y), np.arctan2(y, x), np.nan)
