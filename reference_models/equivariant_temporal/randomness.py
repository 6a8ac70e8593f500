"""Random numbers of many trajectories, each from a generator of its own."""

from __future__ import annotations

import math
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]
SMALLEST_UNIFORM = 1e-16


class Take:
    """Hands out random numbers (rows, numbers), each once and in order."""

    def __init__(self, numbers: Floats, taken: int = 0) -> None:
        self._numbers, self._taken = numbers, taken

    @classmethod
    def of(cls, generators: list[np.random.Generator], numbers: int) -> Self:
        """So many from each generator."""
        return cls(np.stack([generator.random(numbers) for generator in generators]))

    def __call__(self, *shape: int) -> Floats:
        """The next uniform numbers, (rows, *shape)."""
        start = self._taken
        self.skip(math.prod(shape))
        return self._numbers[:, start : self._taken].reshape(len(self._numbers), *shape)

    def normal(self, *shape: int) -> Floats:
        """The next numbers, made standard normal."""
        return np.asarray(ndtri(np.maximum(self(*shape), SMALLEST_UNIFORM)))

    def skip(self, numbers: int) -> None:
        """Leave some out."""
        self._taken += numbers

    def rows(self, rows: NDArray[np.intp]) -> Self:
        """Chosen rows, from where this one stands; what they take does not count here."""
        return type(self)(self._numbers[rows], self._taken)
