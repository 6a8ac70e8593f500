"""Wasserstein-1 distance between distributions of frame-to-frame speeds (Shmilovich 2022, fig. 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from backmapbench.metrics.base import Additive, MetricContext, Score, Statistics
from backmapbench.metrics.frames import Frames
from backmapbench.metrics.histograms import cell_wasserstein, centres, count, wasserstein
from backmapbench.metrics.sides import SideBySide
from backmapbench.metrics.time_series import atom_steps, frame_interval, frame_steps

CELL = 1e-4  # nm/ps; thermal speeds of small molecules at 1 ps frames are near 0.1
BINS = 1_000_000  # up to 100 nm/ps; NaN and anything faster count there
ANGSTROM_PER_NM = 10.0


@dataclass(frozen=True)
class Velocity(SideBySide):
    """Per frame sqrt(mean over atoms |x(t + dt) - x(t)|^2) / dt, within trajectories, first sample.

    The main score is not superposed, so a model must also tumble as its beads do; a variant superposes each frame on
    the next. Another pools the speeds |x(t + dt) - x(t)| / dt of single atoms, which is what Shmilovich 2022 says its
    fig. 6 shows: atoms that are too fast and others that are too slow no longer make up for each other. The rescaled
    variant multiplies the prediction's frame speeds so that both means agree (coarse-grained dynamics runs on a clock
    of its own) and gives the factor as a number of its own. As published: Shmilovich 2022's code takes the mean over
    atoms of |x(t + dt) - x(t)|^2 / 4 in square Angstrom, without root or dt; it also counts jumps across the ends of
    trajectories, which are left out here.

    Attributes:
        frame_ps: time between frames, ps.
    """

    id: ClassVar[str] = "velocity_w1"
    version: ClassVar[int] = 1
    paired: ClassVar[bool] = False
    distance: ClassVar[bool] = True
    scores: ClassVar[tuple[Score, ...]] = (
        Score("velocity_w1", "nm/ps", True, "Wasserstein-1 distance between frame-to-frame speeds, not superposed"),
        Score("velocity_w1_superposed", "nm/ps", True, "the same with each frame superposed on the next"),
        Score("velocity_w1_per_atom", "nm/ps", True, "the same with the speeds of single atoms pooled"),
        Score("velocity_w1_rescaled", "nm/ps", True, "the same with the prediction scaled to the reference mean"),
        Score("velocity_w1_as_published", "angstrom^2", False, "of the mean square step over 4, per frame"),
        Score("velocity_rescale_factor", "", False, "mean speed of the reference over that of the prediction"),
    )

    frame_ps: float

    @classmethod
    def fit(cls, context: MetricContext) -> Self:
        """Takes the frame interval. Raises CardError on independent frames."""
        return cls(frame_interval(context, cls.id))

    @property
    def lead(self) -> int:
        """One frame: the step into a chunk's first frame."""
        return 1

    def describe(self, frames: Frames) -> dict[str, Additive]:
        """Histograms (1, cells) of the speeds of frames, of superposed frames and of single atoms."""
        return {
            "speeds": count(frame_steps(frames) / self.frame_ps, CELL, BINS),
            "superposed": count(frame_steps(frames, superposed=True) / self.frame_ps, CELL, BINS),
            "atoms": count(atom_steps(frames) / self.frame_ps, CELL, BINS),
        }

    def value(self, statistics: Statistics) -> dict[str, float]:
        """Scores from summed statistics; NaN where either side has no steps."""
        x, y = statistics.reference, statistics.prediction
        speeds, weights = centres(x["speeds"], CELL)
        predicted, predicted_weights = centres(y["speeds"], CELL)
        with np.errstate(invalid="ignore"):
            mean = speeds @ weights / weights.sum()
            factor = float(mean / (predicted @ predicted_weights / predicted_weights.sum()))
        return {
            "velocity_w1": cell_wasserstein(x["speeds"], y["speeds"], CELL),
            "velocity_w1_superposed": cell_wasserstein(x["superposed"], y["superposed"], CELL),
            "velocity_w1_per_atom": cell_wasserstein(x["atoms"], y["atoms"], CELL),
            "velocity_w1_rescaled": wasserstein(speeds, weights, factor * predicted, predicted_weights),
            "velocity_w1_as_published": wasserstein(
                self._published(speeds), weights, self._published(predicted), predicted_weights
            ),
            "velocity_rescale_factor": factor,
        }

    def _published(self, speeds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean over atoms of |x(t + dt) - x(t)|^2 / 4, square Angstrom, of frames with these speeds in nm/ps."""
        squared: NDArray[np.float64] = (ANGSTROM_PER_NM * self.frame_ps * speeds) ** 2 / 4
        return squared
