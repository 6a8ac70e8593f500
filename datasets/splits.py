"""Rules that cut trajectories into splits, and taking a split out of all frames.

A split is a list of segments: half-open ranges of frames in the order of all trajectories, none across the end of a
trajectory. Every rule is a function of the lengths of the trajectories alone, so it can be repeated anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import DataError

Segments = list[tuple[int, int]]


class Cut(BaseModel):
    """One rule: which trajectories it cuts, into which splits, how.

    ``contiguous``: the frames of all its trajectories, in order, are cut into parts one after the other.
    ``blocks``: every trajectory is cut so by itself: each split gets a part of every trajectory.
    ``trajectories``: whole trajectories are dealt in order (or in an order drawn with ``seed``).
    ``shuffled``: frames are drawn at random with ``seed``: neighbours in time fall into different splits.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["contiguous", "blocks", "trajectories", "shuffled"]
    parts: dict[str, int | float] = Field(
        min_length=1, description="split -> number of frames (of trajectories), or share of them; one kind per cut"
    )
    trajectories: tuple[int, int] | None = Field(default=None, description="first, and one past the last; None: all")
    gap_frames: int = Field(default=0, ge=0, description="frames left out between two parts")
    seed: int | None = None
    shared: bool = Field(default=False, description="its splits may hold frames of other splits, as a stated exception")

    @model_validator(mode="after")
    def _meaningful(self) -> Cut:
        values = list(self.parts.values())
        counts = all(isinstance(value, int) and value >= 1 for value in values)
        shares = all(isinstance(value, float) and 0 < value < 1 for value in values) and sum(values) <= 1 + 1e-9
        if not counts and not shares:
            raise ValueError("parts are all numbers >= 1, or all shares between 0 and 1 that sum to 1 or less")
        if self.gap_frames and self.kind in ("trajectories", "shuffled"):
            raise ValueError(f"a cut of kind '{self.kind}' takes no gap_frames")
        if self.kind == "shuffled" and self.seed is None:
            raise ValueError("a shuffled cut needs a seed")
        if self.seed is not None and self.kind in ("contiguous", "blocks"):
            raise ValueError(f"a cut of kind '{self.kind}' takes no seed")
        return self


class Variant(BaseModel):
    """One way to split a dataset: its cuts and why."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    note: str
    cuts: list[Cut] = Field(min_length=1)

    @model_validator(mode="after")
    def _distinct(self) -> Variant:
        names = self.names
        if len(set(names)) != len(names):
            raise ValueError(f"a split is cut twice: {', '.join(names)}")
        return self

    @property
    def names(self) -> list[str]:
        """Names of the splits, in order."""
        return [name for cut in self.cuts for name in cut.parts]


def divide(lengths: Sequence[int], variant: Variant) -> dict[str, Segments]:
    """Segments of every split of ``variant`` for trajectories of these lengths (frames).

    Raises DataError when the trajectories do not suffice, a split is left empty, or two splits that are not declared
    as shared hold the same frame.
    """
    found: dict[str, Segments] = {}
    taken = np.zeros(sum(lengths), dtype=bool)
    for cut in variant.cuts:
        for name, segments in _cut(lengths, cut).items():
            if not segments:
                raise DataError(f"split '{name}' is left without a frame by {sum(lengths)} frames; give more data")
            found[name] = segments
            if cut.shared:
                continue
            for start, stop in segments:
                if taken[start:stop].any():
                    raise DataError(f"split '{name}' holds frames of another split; correct the card's cuts")
                taken[start:stop] = True
    return found


def take(data: Trajectories, segments: Segments) -> Trajectories:
    """The frames of ``segments``: a view where they lie in one piece, else a copy. Drawn frames have no spacing."""
    lengths = tuple(stop - start for start, stop in segments)
    single = all(length == 1 for length in lengths) and len(lengths) > 1
    spacing = None if single else data.frame_ps
    if all(before[1] == after[0] for before, after in pairwise(segments)):
        return Trajectories(data.positions[segments[0][0] : segments[-1][1]], lengths, spacing)
    index = np.concatenate([np.arange(start, stop) for start, stop in segments])
    return Trajectories(np.asarray(data.positions[index], dtype=np.float32), lengths, spacing)


def _cut(lengths: Sequence[int], cut: Cut) -> dict[str, Segments]:
    first, last = cut.trajectories or (0, len(lengths))
    if not 0 <= first < last <= len(lengths):
        raise DataError(f"the split rule needs trajectories {first} to {last - 1}, there are {len(lengths)}")
    starts = np.concatenate([[0], np.cumsum(lengths)])
    names = list(cut.parts)
    if cut.kind == "trajectories":
        order = np.arange(first, last)
        if cut.seed is not None:
            order = np.random.default_rng(cut.seed).permutation(order)
        ranges = _ranges(last - first, cut, "trajectories")
        chosen = [sorted(order[start:stop]) for start, stop in ranges]
        return {
            n: [(int(starts[i]), int(starts[i + 1])) for i in picked] for n, picked in zip(names, chosen, strict=True)
        }
    if cut.kind == "shuffled":
        drawn = starts[first] + np.random.default_rng(cut.seed).permutation(starts[last] - starts[first])
        ranges = _ranges(len(drawn), cut, "frames")
        return {n: [(int(i), int(i) + 1) for i in np.sort(drawn[a:b])] for n, (a, b) in zip(names, ranges, strict=True)}
    pools = [(first, last)] if cut.kind == "contiguous" else [(i, i + 1) for i in range(first, last)]
    found: dict[str, Segments] = {name: [] for name in names}
    for begin, end in pools:
        ranges = _ranges(int(starts[end] - starts[begin]), cut, "frames")
        for name, (start, stop) in zip(names, ranges, strict=True):
            found[name] += _whole(int(starts[begin]) + start, int(starts[begin]) + stop, starts)
    return found


def _ranges(total: int, cut: Cut, unit: str) -> list[tuple[int, int]]:
    """Half-open ranges of the parts in ``total`` items. Shares lose the gap at their end, numbers keep their size."""
    values = list(cut.parts.values())
    if all(isinstance(value, int) for value in values):
        needed = int(sum(values)) + cut.gap_frames * (len(values) - 1)
        if needed > total:
            raise DataError(
                f"splits {', '.join(cut.parts)} need {needed} {unit}, there are {total}; give the whole set"
            )
        begins = np.concatenate([[0], np.cumsum([int(value) + cut.gap_frames for value in values])])
        return [(int(start), int(start) + int(value)) for start, value in zip(begins, values, strict=False)]
    edges = [round(total * edge) for edge in np.concatenate([[0.0], np.cumsum(values)])]
    gaps = [cut.gap_frames] * (len(values) - 1) + [0]
    return [(start, max(start, stop - gap)) for (start, stop), gap in zip(pairwise(edges), gaps, strict=True)]


def _whole(start: int, stop: int, edges: NDArray[np.int64]) -> Segments:
    """The range cut at the ends of trajectories."""
    inner = [int(edge) for edge in edges if start < edge < stop]
    points = [start, *inner, stop]
    return [(a, b) for a, b in pairwise(points) if b > a]
