"""Bonds, angles and improper torsions of a residue: one Gaussian about a linear function of its torsions and planes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
JITTER = 1e-9  # of the standardised covariance; linearly dependent coordinates keep a Cholesky factor


@dataclass(frozen=True)
class Regression:
    """numbers = inputs @ slope + noise @ factor.T, inputs standardised with a leading 1.

    A draw's covariance is that of the training residuals: potential energies are quadratic in correlated stretches and
    bends, so draws have the right mean energy where deviations are Gaussian.
    """

    centre: Floats
    scale: Floats
    slope: Floats
    factor: Floats

    @classmethod
    def fit(cls, inputs: Floats, numbers: Floats, ridge: float) -> Regression:
        """From training ``inputs`` (frames, inputs) and ``numbers`` (frames, numbers)."""
        centre, scale = inputs.mean(axis=0), inputs.std(axis=0)
        scale = np.where(scale > JITTER, scale, 1.0)
        known = _with_one((inputs - centre) / scale)
        weight = ridge * len(inputs) * np.eye(known.shape[1])
        weight[0, 0] = 0.0
        slope = np.linalg.solve(known.T @ known + weight, known.T @ numbers)
        rest = numbers - known @ slope
        covariance = rest.T @ rest / max(1, len(rest))
        jitter = JITTER * max(float(np.trace(covariance)) / max(1, len(covariance)), JITTER)
        return cls(centre, scale, slope, np.linalg.cholesky(covariance + jitter * np.eye(len(covariance))))

    def draw(self, inputs: Floats, noise: Floats) -> Floats:
        """Numbers (..., numbers) for inputs (..., inputs) and standard normal ``noise`` (..., numbers)."""
        mean = _with_one((inputs - self.centre) / self.scale) @ self.slope
        return np.asarray(mean + noise @ self.factor.T)


def _with_one(inputs: Floats) -> Floats:
    return np.concatenate([np.ones((*inputs.shape[:-1], 1)), inputs], axis=-1)


def harmonics(angles: Floats, orders: int) -> Floats:
    """Cosines and sines of 1 to ``orders`` times angles (..., n): (..., 2 orders n)."""
    multiples = [order * angles for order in range(1, orders + 1)]
    return np.concatenate([wave(part) for part in multiples for wave in (np.cos, np.sin)], axis=-1)
