"""Trajectories in memory: positions of several independent trajectories, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backmapbench.errors import DataError

Positions = NDArray[np.float32]  # (frames, particles, 3), nm


@dataclass(frozen=True)
class Trajectories:
    """Positions of ``len(lengths)`` independent trajectories, concatenated in order.

    ``positions``: float32 (frames, particles, 3), nm. ``lengths``: frames of each trajectory; they sum to ``frames``.
    ``frame_ps``: time between frames, ps; None for independent frames.

    Raises DataError when the shapes disagree.
    """

    positions: Positions
    lengths: tuple[int, ...]
    frame_ps: float | None

    def __post_init__(self) -> None:
        if self.positions.ndim != 3 or self.positions.shape[2] != 3:
            raise DataError(f"positions have shape {self.positions.shape}; expected (frames, particles, 3)")
        if sum(self.lengths) != len(self.positions) or min(self.lengths, default=0) < 1:
            raise DataError(f"trajectory lengths {self.lengths} do not cut {len(self.positions)} frames; correct them")

    def __len__(self) -> int:
        """Frames in all."""
        return len(self.positions)

    @property
    def slices(self) -> list[slice]:
        """Where each trajectory lies in ``positions``."""
        ends = np.cumsum(self.lengths)
        return [slice(int(end) - length, int(end)) for end, length in zip(ends, self.lengths, strict=True)]

    def __iter__(self) -> Iterator[Positions]:
        """Each trajectory's positions in turn (views)."""
        return (self.positions[part] for part in self.slices)

    def pick(self, frames: NDArray[np.intp]) -> Trajectories:
        """The frames of these ascending indices; boundaries are kept, the spacing is not."""
        owners = np.searchsorted(np.cumsum(self.lengths), frames, side="right")
        _, lengths = np.unique(owners, return_counts=True)
        return Trajectories(np.ascontiguousarray(self.positions[frames]), tuple(int(n) for n in lengths), None)

    def replace_positions(self, positions: NDArray[np.floating]) -> Trajectories:
        """The same boundaries and spacing with other positions, as float32."""
        return Trajectories(np.ascontiguousarray(positions, dtype=np.float32), self.lengths, self.frame_ps)
