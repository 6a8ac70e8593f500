"""Jensen-Shannon distance of the torsions that the beads do not fix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from backmapbench.errors import NotApplicableError
from backmapbench.metrics.base import Additive, MetricContext, Score, Statistics
from backmapbench.metrics.frames import Frames
from backmapbench.metrics.histograms import jensen_shannon_rows
from backmapbench.metrics.sides import SideBySide
from backmapbench.metrics.time_series import torsion_series

PSEUDO_COUNT = 0.5


def hidden_quads(context: MetricContext, metric: str) -> NDArray[np.intp]:
    """The task's hidden torsions, (torsions, 4). Raises CardError when its card lists none."""
    if not len(context.hidden_torsions):
        raise NotApplicableError(f"{metric} needs hidden.torsions in the task card; list them or remove the metric")
    return np.asarray(context.hidden_torsions, dtype=np.intp)


@dataclass(frozen=True, eq=False)
class HiddenTorsion(SideBySide):
    """Square root of the base-2 Jensen-Shannon divergence per hidden torsion, mean over torsions.

    Bins are equal and cover [-pi, pi) with pseudo-count 0.5 each. Undefined torsions go to a cell of their own without
    pseudo-count, which shares nothing with any angle: a torsion that is always undefined scores 1 (but for the
    pseudo-count). First sample.

    Attributes:
        quads: int (torsions, 4), atom indices.
        bins: bins over the circle.
    """

    id: ClassVar[str] = "hidden_torsion_jsd"
    version: ClassVar[int] = 1
    paired: ClassVar[bool] = False
    distance: ClassVar[bool] = True
    scores: ClassVar[tuple[Score, ...]] = (
        Score("hidden_torsion_jsd", "", True, "mean Jensen-Shannon distance of torsions that the beads do not fix"),
        Score("hidden_torsion_undefined_percent", "%", False, "share of those torsions that are undefined"),
    )

    quads: NDArray[np.intp]
    bins: int

    @classmethod
    def fit(cls, context: MetricContext) -> Self:
        """Takes the torsions and ``bins`` from the card."""
        return cls(hidden_quads(context, cls.id), int(context.settings.get("bins", 36)))

    def describe(self, frames: Frames) -> dict[str, Additive]:
        """Counts (torsions, bins + 1), the last cell for undefined torsions."""
        return {"counts": self._count(frames)}

    def _count(self, frames: Frames) -> NDArray[np.float64]:
        angles = torsion_series(frames, self.quads)[frames.lead :]
        scaled = np.floor((np.nan_to_num(angles) + np.pi) * (self.bins / (2 * np.pi))).astype(np.intp) % self.bins
        cells = np.where(np.isnan(angles), self.bins, scaled) + np.arange(len(self.quads)) * (self.bins + 1)
        counts = np.bincount(cells.ravel(), minlength=len(self.quads) * (self.bins + 1))
        return counts.reshape(len(self.quads), self.bins + 1).astype(np.float64)

    def value(self, statistics: Statistics) -> dict[str, float]:
        """Scores from summed statistics; NaN where either side has no frames."""
        expected: NDArray[np.float64] = np.asarray(statistics.reference["counts"])
        found: NDArray[np.float64] = np.asarray(statistics.prediction["counts"])
        if expected.sum() <= 0 or found.sum() <= 0:
            return {score.id: float("nan") for score in self.scores}
        pseudo = np.append(np.full(self.bins, PSEUDO_COUNT), 0.0)
        distances = jensen_shannon_rows(expected + pseudo, found + pseudo)
        return {
            "hidden_torsion_jsd": float(distances.mean()),
            "hidden_torsion_undefined_percent": float(100 * found[:, -1].sum() / found.sum()),
        }
