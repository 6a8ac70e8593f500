"""How different the samples of a frame are from each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from backmapbench.metrics.base import Metric, MetricContext, Score, Statistics
from backmapbench.metrics.frames import Frames
from backmapbench.metrics.samples import between_samples
from backmapbench.metrics.selections import heavy_atoms

ANGSTROM_PER_NM = 10.0


@dataclass(frozen=True, eq=False)
class Diversity(Metric):
    """Mean RMSD between different samples of a frame, mean over frames, heavy atoms, not superposed.

    Descriptive: neither more nor less is better by itself. What to read it against is conditional MD's. NaN for one
    sample.

    Attributes:
        heavy: indices of the heavy atoms.
    """

    heavy: NDArray[np.intp]

    id: ClassVar[str] = "diversity_angstrom"
    version: ClassVar[int] = 1
    paired: ClassVar[bool] = False
    distance: ClassVar[bool] = False
    minimum_samples: ClassVar[int] = 2
    scores: ClassVar[tuple[Score, ...]] = (
        Score("diversity_angstrom", "Angstrom", False, "mean RMSD between samples of a frame"),
    )

    @classmethod
    def fit(cls, context: MetricContext) -> Self:
        """Select the heavy atoms. Raises DataError where there are none."""
        return cls(heavy_atoms(context.topology))

    def statistics(self, reference: Frames, prediction: Frames) -> Statistics:
        """Sum over frames of the mean RMSD between samples (nm) and number of frames."""
        spread = between_samples(prediction, self.heavy).rmsd
        return Statistics(prediction={"spread": np.asarray(spread.sum()), "frames": np.asarray(float(len(spread)))})

    def value(self, statistics: Statistics) -> dict[str, float]:
        """The mean over frames in Angstrom."""
        spread, frames = (float(np.asarray(statistics.prediction[name])) for name in ("spread", "frames"))
        return {"diversity_angstrom": ANGSTROM_PER_NM * spread / frames if frames > 0 else float("nan")}
