"""Bonds, angles and improper torsions of a residue: one Gaussian about a linear function of its torsions and planes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LONGEST = 0.98  # a correlation from frame to frame is taken for no larger than this
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
    def fit(cls, inputs: Floats, numbers: Floats, sees: NDArray[np.bool_] | None, ridge: float) -> Regression:
        """From training ``inputs`` (frames, inputs) and ``numbers`` (frames, numbers).

        ``sees``: which inputs each number depends on, (inputs, numbers); None: all.
        """
        centre, scale = inputs.mean(axis=0), inputs.std(axis=0)
        scale = np.where(scale > JITTER, scale, 1.0)
        known = _with_one((inputs - centre) / scale)
        weight = ridge * len(inputs) * np.eye(known.shape[1])
        weight[0, 0] = 0.0
        gram, product = known.T @ known + weight, known.T @ numbers
        slope = np.zeros_like(product)
        for number in range(numbers.shape[1]):
            rows = np.flatnonzero(np.r_[True, sees[:, number]]) if sees is not None else np.arange(len(gram))
            slope[rows, number] = np.linalg.solve(gram[np.ix_(rows, rows)], product[rows, number])
        rest = numbers - known @ slope
        covariance = rest.T @ rest / max(1, len(rest))
        jitter = JITTER * max(float(np.trace(covariance)) / max(1, len(covariance)), JITTER)
        return cls(
            centre,
            scale,
            slope,
            np.asarray(np.linalg.cholesky(covariance + jitter * np.eye(len(covariance))), dtype=np.float64),
        )

    def draw(self, inputs: Floats, noise: Floats) -> Floats:
        """Numbers (..., numbers) for inputs (..., inputs) and standard normal ``noise`` (..., numbers)."""
        mean = _with_one((inputs - self.centre) / self.scale) @ self.slope
        return np.asarray(mean + noise @ self.factor.T)

    def whiten(self, inputs: Floats, numbers: Floats) -> Floats:
        """The noise (frames, numbers) that ``draw`` would have made ``numbers`` (frames, numbers) of."""
        mean = _with_one((inputs - self.centre) / self.scale) @ self.slope
        return np.asarray(np.linalg.solve(self.factor, (numbers - mean).T).T)


def persistence(noise: Floats, now: NDArray[np.intp]) -> Floats:
    """Correlation of each column of ``noise`` (frames, n) with the frame before, none below 0: (n,)."""
    if not len(now):
        return np.zeros(noise.shape[1])
    return np.asarray(np.clip((noise[now] * noise[now - 1]).mean(axis=0), 0.0, LONGEST))


def _with_one(inputs: Floats) -> Floats:
    return np.concatenate([np.ones((*inputs.shape[:-1], 1)), inputs], axis=-1)


def harmonics(angles: Floats, orders: int) -> Floats:
    """Cosines and sines of 1 to ``orders`` times angles (..., n): (..., 2 orders n)."""
    multiples = [order * angles for order in range(1, orders + 1)]
    return np.concatenate([wave(part) for part in multiples for wave in (np.cos, np.sin)], axis=-1)
