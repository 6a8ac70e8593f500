"""The grid of a free energy surface: two coordinates of a frame, their ranges and their bins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backmapbench.errors import CardError
from backmapbench.metrics.base import MetricContext
from backmapbench.metrics.features import END_TO_END, GYRATION, Features, TorsionFeatures, shape_features
from backmapbench.metrics.frames import Frames

OUTSIDE = -1  # bin of a frame with an undefined coordinate or one out of range
MARGIN = 0.1  # of the reference's range, added on either side where the card gives no ranges


@dataclass(frozen=True, eq=False)
class Grid:
    """Equal bins over a rectangle.

    Attributes:
        coordinates: two numbers per frame.
        low, high: float64 (2,), the rectangle.
        bins: bins per axis.
        periodic: whether both coordinates are angles over [-pi, pi).
    """

    coordinates: Features
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    bins: int
    periodic: bool

    def cells(self, frames: Frames) -> NDArray[np.intp]:
        """Bin of every owned frame, first coordinate slow: (frames,); -1 where undefined or out of range."""
        values = self.coordinates.series(frames)[frames.lead :]
        with np.errstate(invalid="ignore"):
            scaled = np.floor((values - self.low) * (self.bins / (self.high - self.low)))
            inside = np.asarray(np.isfinite(scaled).all(axis=1))
            if not self.periodic:
                inside &= ((scaled >= 0) & (scaled < self.bins)).all(axis=1)
        places = np.where(inside[:, None], scaled, 0).astype(np.intp) % self.bins
        return np.where(inside, places[:, 0] * self.bins + places[:, 1], OUTSIDE)


def torsion_grid(quads: NDArray[np.intp], bins: int) -> Grid:
    """Two torsions over [-pi, pi)^2. Raises CardError when there are not two."""
    if len(quads) != 2:
        raise CardError(f"fes_rmse_kt needs two kinetics.torsions, the card has {len(quads)}; correct it")
    whole = np.full(2, np.pi)
    return Grid(TorsionFeatures(quads, periodic=False), -whole, whole, bins, periodic=True)


def shape_grid(context: MetricContext, bins: int) -> Grid:
    """The card's ``coordinates`` (default: radius of gyration and end-to-end CA distance) over its ``ranges``.

    Raises CardError when they are not two.
    """
    names = context.settings.get("coordinates", (GYRATION, END_TO_END))
    features = shape_features(context.topology, names)
    if len(features.pairs) != 2:
        raise CardError(f"fes_rmse_kt: coordinates = {names!r}; give two")
    return fitted_grid(context, features, bins)


def fitted_grid(context: MetricContext, coordinates: Features, bins: int) -> Grid:
    """A grid over the card's ``ranges`` = [[low, high], [low, high]].

    Without them over the reference's own range and a tenth of it on either side: as fixed as the reference, which a
    task version freezes. Raises CardError for ranges that are none.
    """
    ranges: Sequence[Sequence[float]] | None = context.settings.get("ranges")
    if ranges is None:
        parts = [coordinates.series(Frames(part[None])) for part in context.reference]
        if parts[0].shape[1] != 2:
            raise CardError(f"fes_rmse_kt needs two coordinates, the task has {parts[0].shape[1]}; correct the card")
        series = np.concatenate(parts)
        low, high = np.nanmin(series, axis=0), np.nanmax(series, axis=0)
        margin = np.maximum(MARGIN * (high - low), 1e-6)
        return Grid(coordinates, low - margin, high + margin, bins, periodic=False)
    edges = np.asarray(ranges, dtype=np.float64)
    if edges.shape != (2, 2) or not (edges[:, 0] < edges[:, 1]).all():
        raise CardError(f"fes_rmse_kt: ranges = {ranges!r}; give [[low, high], [low, high]]")
    return Grid(coordinates, edges[:, 0], edges[:, 1], bins, periodic=False)
