"""Which internal coordinates the model draws, and as what: constants, standardised numbers or free angles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backmapbench.reference_models.ar_internal.internal import ANGLE, BOND, TORSION
from backmapbench.reference_models.ar_internal.settings import EncodingSettings

SHORTEST = 0.5  # of the mean bond length: below, a drawn bond is cut off
FLATTEST = 0.02  # rad from 0 and pi, where the torsion about the bond loses its meaning


class Encoding:
    """Splits internal coordinates (frames, placed, 3) into what is constant, nearly Gaussian, and freely rotating.

    Bonds and angles that do not move in training (constraints) are constants. A torsion is free when a share of the
    training frames lies more than 90 degrees from its circular mean, or its deviation exceeds ``widest``, rad: a
    Gaussian about the mean would be wrong. All others are Gaussian after standardising; a torsion's deviation is taken
    the short way round.

    Attributes:
        gaussian: bool (placed, 3), coordinates drawn from the Gaussian.
        free: rows of the freely rotating torsions, (free,).
    """

    def __init__(self, internal: NDArray[np.float64], settings: EncodingSettings, widest: float = np.inf) -> None:
        self._mean = internal.mean(axis=0)
        self._mean[:, TORSION] = np.angle(np.exp(1j * internal[:, :, TORSION]).mean(axis=0))
        offset = self._offset(internal)
        self._deviation = np.sqrt((offset**2).mean(axis=0))
        far = (np.abs(offset[:, :, TORSION]) > np.pi / 2).mean(axis=0)
        wide = self._deviation[:, TORSION] > widest
        self.free = np.flatnonzero((far > settings.free_share) | wide)
        self.gaussian = self._deviation > settings.smallest_deviation
        self.gaussian[self.free, TORSION] = False

    def encode(self, internal: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Standardised Gaussian coordinates (frames, gaussian) and free torsions (frames, free) in rad."""
        numbers = (self._offset(internal) / np.where(self.gaussian, self._deviation, 1.0))[:, self.gaussian]
        return numbers.astype(np.float32), internal[:, self.free, TORSION].astype(np.float32)

    def decode(self, numbers: NDArray[np.floating], angles: NDArray[np.floating]) -> NDArray[np.float64]:
        """Internal coordinates (frames, placed, 3); inverse of ``encode`` up to constants."""
        internal = np.repeat(self._mean[None], len(numbers), axis=0)
        internal[:, self.gaussian] += np.asarray(numbers, dtype=np.float64) * self._deviation[self.gaussian]
        internal[:, self.free, TORSION] = angles
        internal[:, :, BOND] = np.maximum(internal[:, :, BOND], SHORTEST * self._mean[:, BOND])
        internal[:, :, ANGLE] = np.clip(internal[:, :, ANGLE], FLATTEST, np.pi - FLATTEST)
        return internal

    def _offset(self, internal: NDArray[np.float64]) -> NDArray[np.float64]:
        offset: NDArray[np.float64] = internal - self._mean
        turn = offset[:, :, TORSION]
        offset[:, :, TORSION] = np.arctan2(np.sin(turn), np.cos(turn))
        return offset
