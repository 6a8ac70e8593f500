"""``Frames``: a stretch of one trajectory as metrics see it, with shared intermediate results kept."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Frames:
    """Consecutive frames of one trajectory, with up to ``lead`` frames before them for time-lagged pairs.

    A pair of frames (t - lag, t) belongs to the chunk that owns frame t, so cutting a trajectory into chunks changes no
    statistic as long as ``lead`` covers the lag (or reaches the start of the trajectory).

    Attributes:
        xyz: float32 (samples, lead + frames, atoms, 3), nm. A reference has samples = 1.
        lead: leading frames owned by the chunk before.
    """

    xyz: NDArray[np.float32]
    lead: int = 0
    _cache: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    @property
    def owned(self) -> NDArray[np.float32]:
        """The frames this chunk owns: (samples, frames, atoms, 3), nm."""
        return self.xyz[:, self.lead :]

    @property
    def flat(self) -> NDArray[np.float32]:
        """Owned frames of all samples as one list: (samples x frames, atoms, 3), nm."""
        return self.owned.reshape(-1, *self.xyz.shape[2:])

    @property
    def samples(self) -> int:
        """Number of samples."""
        return int(self.xyz.shape[0])

    def cached(self, key: Hashable, compute: Callable[[], T]) -> T:
        """``compute()`` once per chunk; metrics that need the same intermediate result share it by ``key``."""
        if key not in self._cache:
            self._cache[key] = compute()
        result: T = self._cache[key]
        return result
