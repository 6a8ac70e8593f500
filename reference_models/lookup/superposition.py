"""RMSD after optimal superposition of many small point sets at once, without finding the rotations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NEWTON_STEPS = 50  # quadratic convergence needs 3 to 8; near-collinear sets, whose root is nearly double, more
NEWTON_TOLERANCE = 1e-13


def centred(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Points (..., n, 3) minus their centroid, as float64."""
    points = np.asarray(points, dtype=np.float64)
    return np.asarray(points - points.mean(axis=-2, keepdims=True))


def superposed_rmsd(targets: NDArray[np.float64], candidates: NDArray[np.float64]) -> NDArray[np.float64]:
    """RMSD after the best proper rotation of each candidate onto its target: (frames, candidates), unit of the points.

    ``targets`` (frames, n, 3) and ``candidates`` (frames, candidates, n, 3), both centred. The largest eigenvalue of
    the quaternion matrix is found by Newton's method on its characteristic polynomial, from the upper bound
    (G_a + G_b) / 2; a mirror image is never counted as a match (Theobald, Acta Cryst. A 61, 478, 2005).
    """
    covariance = np.einsum("fna,fknb->fkab", targets, candidates, optimize=True)
    inner = (targets**2).sum((1, 2))[:, None] + (candidates**2).sum((2, 3))
    c2 = -2.0 * (covariance**2).sum((2, 3))
    c1 = -8.0 * _determinant(covariance)
    gram = np.einsum("fkab,fkac->fkbc", covariance, covariance)
    # det K = (tr G)^2 - 4 e2(G) with G = M^T M, by expanding the product of K's eigenvalues s1 +- s2 +- s3.
    minors = (
        gram[..., 0, 0] * gram[..., 1, 1] - gram[..., 0, 1] ** 2
        + gram[..., 0, 0] * gram[..., 2, 2] - gram[..., 0, 2] ** 2
        + gram[..., 1, 1] * gram[..., 2, 2] - gram[..., 1, 2] ** 2
    )  # fmt: skip
    c0 = (c2 / 2) ** 2 - 4.0 * minors
    root = inner / 2
    scale = np.where(root > 0, root, 1.0)
    for _ in range(NEWTON_STEPS):
        square = root * root
        slope = 4 * square * root + 2 * c2 * root + c1
        step = np.divide(
            square * square + c2 * square + c1 * root + c0, slope, out=np.zeros_like(root), where=slope > 0
        )
        root = root - step
        if (np.abs(step) <= NEWTON_TOLERANCE * scale).all():
            break
    return np.asarray(np.sqrt(np.maximum(inner - 2 * root, 0.0) / targets.shape[1]))


def _determinant(m: NDArray[np.float64]) -> NDArray[np.float64]:
    # Written out: LAPACK called once per 3 x 3 matrix costs ten times as much on millions of them.
    return np.asarray(
        m[..., 0, 0] * (m[..., 1, 1] * m[..., 2, 2] - m[..., 1, 2] * m[..., 2, 1])
        - m[..., 0, 1] * (m[..., 1, 0] * m[..., 2, 2] - m[..., 1, 2] * m[..., 2, 0])
        + m[..., 0, 2] * (m[..., 1, 0] * m[..., 2, 1] - m[..., 1, 1] * m[..., 2, 0])
    )
