"""Learning rates by step: half a cosine, or lowered where a smoothed validation loss stops falling."""

from __future__ import annotations

import math

import numpy as np

SMOOTHED = 0.2  # share of the losses behind each smoothed one
FEWEST = 3  # losses a line is laid through; of fewer the raw one counts
PATIENCE = 2
THRESHOLD = 1e-3
LOWEST_RATE = 5e-8


class Cosine:
    """Half a cosine from 1 to 0."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def factor(self, step: int) -> float:
        """Of the learning rate at ``step``."""
        return 0.5 * (1 + math.cos(math.pi * step / self.steps))

    def validated(self, step: int, loss: float) -> None:
        """Changes nothing."""


class Plateau:
    """The published schedule: times ``factor`` after more than two validations without a fall by 0.1 %.

    The last value of a locally weighted line through the losses (LOWESS, a fifth of them) is what must fall; of fewer
    than three losses in the window the raw one. The published run ends at a rate of 7.5e-8; here it goes on at the
    lowest rate, 5e-8, where nothing moves any more.
    """

    def __init__(self, rate: float, factor: float) -> None:
        self._rate, self._factor = rate, factor
        self._losses: list[float] = []
        self._best = math.inf
        self._waited = 0
        self._scale = 1.0

    def factor(self, step: int) -> float:
        """Of the learning rate now."""
        return self._scale

    def validated(self, step: int, loss: float) -> None:
        """Take note of a validation loss."""
        self._losses.append(loss)
        smooth = smoothed_last(self._losses)
        if smooth < self._best * (1 - THRESHOLD):
            self._best, self._waited = smooth, 0
            return
        self._waited += 1
        if self._waited > PATIENCE:
            self._scale = max(self._scale * self._factor, LOWEST_RATE / self._rate)
            self._waited = 0


def smoothed_last(losses: list[float]) -> float:
    """Locally weighted line at the last of ``losses`` (Cleveland 1979): tricube weights, no robust rounds."""
    window = int(SMOOTHED * len(losses))
    if window < FEWEST:
        return losses[-1]
    distance = np.arange(window)[::-1] / window
    weights = (1 - distance**3) ** 3
    line = np.polynomial.Polynomial.fit(-distance, losses[-window:], 1, w=np.sqrt(weights))
    return float(line(0.0))
