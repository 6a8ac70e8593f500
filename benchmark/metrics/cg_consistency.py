"""How well a prediction honours the beads it was made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from backmapbench.coarse_graining import CoarseMapping
from backmapbench.metrics.base import Metric, MetricContext, Score, Statistics
from backmapbench.metrics.frames import Frames

ANGSTROM_PER_NM = 10.0


@dataclass(frozen=True, eq=False)
class CgConsistency(Metric):
    """Root mean square over beads, frames and samples of |f_cg(x^) - f_cg(x)|, in Angstrom.

    The mean is taken over everything before the root (a grand rms), unlike RMSD's mean of per-frame roots: one frame
    that leaves its beads weighs by its square. Both sides go through the same mapping in the same precision, so the
    oracle scores exactly 0.

    Attributes:
        mapping: atoms to beads.
    """

    mapping: CoarseMapping

    id: ClassVar[str] = "cg_consistency_angstrom"
    version: ClassVar[int] = 1
    paired: ClassVar[bool] = True
    distance: ClassVar[bool] = False
    scores: ClassVar[tuple[Score, ...]] = (
        Score("cg_consistency_angstrom", "Angstrom", True, "rms distance of a prediction's beads from the given ones"),
    )

    @classmethod
    def fit(cls, context: MetricContext) -> Self:
        """Take the task's mapping."""
        return cls(context.mapping)

    def statistics(self, reference: Frames, prediction: Frames) -> Statistics:
        """Sum of squared bead displacements (nm^2) and number of beads, over frames and samples."""
        given = self.mapping.positions(reference.owned.astype(np.float64))
        found = self.mapping.positions(prediction.owned.astype(np.float64))
        difference = found - given
        beads = float(np.prod(difference.shape[:-1]))
        return Statistics(
            paired={"squares": np.asarray(np.einsum("sfbi,sfbi->", difference, difference)), "beads": np.asarray(beads)}
        )

    def value(self, statistics: Statistics) -> dict[str, float]:
        """The grand rms in Angstrom; NaN without frames."""
        squares, beads = (float(np.asarray(statistics.paired[name])) for name in ("squares", "beads"))
        rms = float(np.sqrt(squares / beads)) if beads > 0 else float("nan")
        return {"cg_consistency_angstrom": ANGSTROM_PER_NM * rms}
