"""Series over the frames of one chunk: torsions, frame steps and time-lagged pairs."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from backmapbench.errors import NotApplicableError
from backmapbench.metrics.base import MetricContext
from backmapbench.metrics.frames import Frames
from backmapbench.metrics.geometry import torsions
from backmapbench.superposition import superpose

T = TypeVar("T", bound=np.generic)


def frame_interval(context: MetricContext, metric: str) -> float:
    """Time between frames, ps. Raises CardError on a task of independent frames."""
    if context.frame_ps is None:
        raise NotApplicableError(
            f"{metric} needs trajectories, the reference has independent frames; remove it from the card"
        )
    return context.frame_ps


def lagged(series: NDArray[T], lead: int, lag: int) -> tuple[NDArray[T], NDArray[T]]:
    """Pairs (t - lag, t) of ``series`` (lead + frames, ...) whose later frame the chunk owns: (earlier, later)."""
    first = max(lead, lag)
    pairs = max(0, len(series) - first)
    return series[first - lag : first - lag + pairs], series[first : first + pairs]


def torsion_series(frames: Frames, quads: NDArray[np.intp]) -> NDArray[np.float64]:
    """Torsions of the first sample: (lead + frames, torsions), radians, NaN where undefined."""
    key = ("torsion series", quads.tobytes())
    return frames.cached(key, lambda: torsions(frames.xyz[0], quads))


def frame_steps(frames: Frames, superposed: bool = False) -> NDArray[np.float64]:
    """Root mean square displacement over atoms between consecutive frames of the first sample: (pairs,), nm.

    ``superposed``: the earlier frame is first laid on the later by the best proper rotation and translation, which
    takes out tumbling. NaN where a coordinate is not finite.
    """
    return frames.cached(("frame steps", superposed), lambda: _frame_steps(frames, superposed))


def atom_steps(frames: Frames) -> NDArray[np.float64]:
    """Displacement of every atom between consecutive frames of the first sample: (pairs, atoms), nm; NaN if not finite.

    Not kept in the chunk: it is as large as the coordinates.
    """
    earlier, later = lagged(frames.xyz[0].astype(np.float64), frames.lead, 1)
    return _root(_squared(earlier, later))


def _frame_steps(frames: Frames, superposed: bool) -> NDArray[np.float64]:
    earlier, later = lagged(frames.xyz[0].astype(np.float64), frames.lead, 1)
    if superposed:
        with np.errstate(invalid="ignore", over="ignore"):  # places that are not finite have no best rotation
            earlier = superpose(earlier, later)
    return _root(_squared(earlier, later).mean(axis=-1))


def _squared(earlier: NDArray[np.float64], later: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared displacements (pairs, atoms)."""
    with np.errstate(invalid="ignore", over="ignore"):
        squared: NDArray[np.float64] = ((later - earlier) ** 2).sum(axis=-1)
    return squared


def _root(squared: NDArray[np.float64]) -> NDArray[np.float64]:
    """Square root, NaN where not finite."""
    return np.sqrt(np.where(np.isfinite(squared), squared, np.nan))
