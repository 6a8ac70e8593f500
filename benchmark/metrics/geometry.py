"""Geometry of many frames at once: torsions and angles, and which of them are defined."""

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
    with np.errstate(invalid="ignore", over="ignore"):
        first = points[..., 1, :] - points[..., 0, :]
        axis = points[..., 2, :] - points[..., 1, :]
        last = points[..., 3, :] - points[..., 2, :]
        left, right = np.cross(first, axis), np.cross(axis, last)
        x = (left * right).sum(-1)
        y = (first * right).sum(-1) * np.linalg.norm(axis, axis=-1)
        defined = (np.linalg.norm(left, axis=-1) > DEGENERATE) & (np.linalg.norm(right, axis=-1) > DEGENERATE)
    return np.where(defined & np.isfinite(x) & np.isfinite(y), np.arctan2(y, x), np.nan)


def angles(xyz: NDArray[np.floating], triples: NDArray[np.intp]) -> NDArray[np.float64]:
    """Angles at the middle atom in degrees, [0, 180]: (..., angles).

    ``xyz``: (..., atoms, 3), nm. ``triples``: atom indices (angles, 3), the vertex in the middle.

    NaN where the vertex coincides with one of its neighbours, so that the angle is undefined.
    """
    points = np.asarray(xyz, dtype=np.float64)
    first, vertex, last = np.asarray(triples, dtype=np.intp).reshape(-1, 3).T
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        a, b = points[..., first, :] - points[..., vertex, :], points[..., last, :] - points[..., vertex, :]
        product = np.sqrt(np.einsum("...i,...i->...", a, a) * np.einsum("...i,...i->...", b, b))
        # Near 0 and 180 degrees the arc cosine is good to 1e-6 degree, far below any histogram's cell.
        cosine = np.clip(np.einsum("...i,...i->...", a, b) / product, -1.0, 1.0)
        found = np.degrees(np.arccos(cosine))
    return np.where((product > DEGENERATE) & np.isfinite(product), found, np.nan)
