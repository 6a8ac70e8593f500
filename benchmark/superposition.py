"""Least-squares superposition of many frames at once, by proper rotations only.

Kabsch (1976) Acta Cryst. A32, 922, with the sign correction of Kabsch (1978) Acta Cryst. A34, 827: a mirror image is
never superposed by a reflection, so wrong handedness stays visible.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def rotations(mobile: NDArray[np.floating], target: NDArray[np.floating]) -> NDArray[np.float64]:
    """Proper rotations R (..., 3, 3) that minimise sum |(mobile - centroid) R - (target - centroid)|^2.

    Args:
        mobile: (..., atoms, 3), any unit of length; atoms weigh equally.
        target: the same shape and unit; leading axes broadcast.

    Returns:
        Rotations acting on row vectors; the identity where the points fix none (coincident atoms, values not finite).
    """
    covariance = _centred(mobile).swapaxes(-1, -2) @ _centred(target)
    # The SVD does not converge on NaN; such frames keep their NaN coordinates and need only some rotation.
    covariance = np.where(np.isfinite(covariance).all(axis=(-1, -2), keepdims=True), covariance, 0.0)
    left, _, right = np.linalg.svd(covariance)
    left[..., :, 2] *= np.sign(np.linalg.det(left) * np.linalg.det(right))[..., None]
    rotation: NDArray[np.float64] = left @ right
    return rotation


def superpose(
    mobile: NDArray[np.floating], target: NDArray[np.floating], atoms: NDArray[np.intp] | None = None
) -> NDArray[np.float64]:
    """``mobile`` (..., atoms, 3) moved rigidly onto ``target`` (..., atoms, 3), unit kept; leading axes broadcast.

    ``atoms``: indices that are fitted (all atoms move); all atoms by default.
    """
    chosen = slice(None) if atoms is None else atoms
    start, end = np.asarray(mobile, dtype=np.float64), np.asarray(target, dtype=np.float64)
    rotation = rotations(start[..., chosen, :], end[..., chosen, :])
    from_centre = start[..., chosen, :].mean(axis=-2, keepdims=True)
    moved: NDArray[np.float64] = (start - from_centre) @ rotation + end[..., chosen, :].mean(axis=-2, keepdims=True)
    return moved


def _centred(xyz: NDArray[np.floating]) -> NDArray[np.float64]:
    points = np.asarray(xyz, dtype=np.float64)
    centred: NDArray[np.float64] = points - points.mean(axis=-2, keepdims=True)
    return centred
