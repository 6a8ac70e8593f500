"""Wasserstein-1 distance between potential-energy distributions, in kT (metric definitions, ensemble and time)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from backmapbench.errors import DataError
from backmapbench.metrics.base import Additive, MetricContext, Score, Statistics
from backmapbench.metrics.force_field import PotentialEnergy, thermal_energy, total
from backmapbench.metrics.frames import Frames
from backmapbench.metrics.histograms import cell_median, cell_wasserstein, count
from backmapbench.metrics.kinetics import shared
from backmapbench.metrics.sides import SideBySide

CELL_KT = 0.01  # two distributions of equal cells have W1 = 0, so this bounds the error of W1
CEILING_KT = 1e4  # above the reference median; steric overlap alone sets energies beyond it, and no mean survives them
CELLS = round(2 * CEILING_KT / CELL_KT)
OUTLIER_PERCENTILE = 99.9


@dataclass(frozen=True)
class Energy(SideBySide):
    """Energies of the first sample of every frame, task force field in vacuum, not minimised, in units of kT.

    An energy that is NaN, infinite or more than 1e4 kT above the reference median counts at that ceiling; the histogram
    reaches as far below the median, and anything lower counts in its first cell.

    Attributes:
        potential: the energy function.
        kt: kJ/mol.
        median: reference median at fit, kT.
        outlier: the reference's 99.9th percentile at fit, kT.
    """

    id: ClassVar[str] = "energy_w1_kt"
    version: ClassVar[int] = 1
    paired: ClassVar[bool] = False
    distance: ClassVar[bool] = True
    scores: ClassVar[tuple[Score, ...]] = (
        Score("energy_w1_kt", "kT", True, "Wasserstein-1 distance between potential-energy distributions"),
        Score("energy_excess_percent", "%", True, "difference in the share above the reference's 99.9th percentile"),
        Score("energy_excess_percent_raw", "%", False, "share of energies above the reference's 99.9th percentile"),
        Score("energy_clipped_percent", "%", False, "share of energies counted at the ceiling, 1e4 kT over the median"),
        Score("energy_median_shift_kt", "kT", False, "median energy minus the reference's"),
    )

    potential: PotentialEnergy
    kt: float
    median: float
    outlier: float

    @classmethod
    def fit(cls, context: MetricContext) -> Self:
        """Median and outlier threshold of the reference. Raises DataError when it has an energy that is not finite."""
        potential = PotentialEnergy(context.topology_path, context.force_field)
        kt = thermal_energy(context.temperature_K)
        energies = total(reference_terms(context, potential)) / kt
        return cls(potential, kt, float(np.median(energies)), float(np.percentile(energies, OUTLIER_PERCENTILE)))

    @property
    def lowest(self) -> float:
        """Lower edge of the histogram, kT."""
        return self.median - CEILING_KT

    def describe(self, frames: Frames) -> dict[str, Additive]:
        """Histogram of energies (1, cells) and [frames, frames above the outlier threshold, frames at the ceiling]."""
        energies, clipped = capped(self.potential.of(frames) / self.kt, self.median)
        counts = np.array([len(energies), (energies > self.outlier).sum(), clipped.sum()], dtype=np.float64)
        return {"energies": count(energies, CELL_KT, CELLS, self.lowest), "counts": counts}

    def value(self, statistics: Statistics) -> dict[str, float]:
        """Scores from summed statistics; NaN where either side has no frames."""
        x, y = statistics.reference, statistics.prediction
        (_, expected, _), (_, excess, clipped) = _percent(x), _percent(y)
        shift = cell_median(y["energies"], CELL_KT) - cell_median(x["energies"], CELL_KT)
        return {
            "energy_w1_kt": cell_wasserstein(x["energies"], y["energies"], CELL_KT),
            "energy_excess_percent": abs(excess - expected),
            "energy_excess_percent_raw": excess,
            "energy_clipped_percent": clipped,
            "energy_median_shift_kt": shift,
        }


def reference_terms(context: MetricContext, potential: PotentialEnergy) -> NDArray[np.float64]:
    """Energies by term of all reference frames, (frames, terms) kJ/mol; computed once per task.

    Raises DataError when one is not finite.
    """

    def compute() -> NDArray[np.float64]:
        energies = np.concatenate([potential.terms(part) for part in context.reference])
        wrong = int((~np.isfinite(energies).all(axis=1)).sum())
        if wrong:
            raise DataError(f"{wrong} reference frames have no finite energy; correct the dataset or its force field")
        return energies

    return shared(context, ("reference energies", potential), compute)


def _percent(part: Mapping[str, Additive]) -> NDArray[np.float64]:
    counts = np.asarray(part["counts"], dtype=np.float64)
    return 100 * counts / counts[0] if counts[0] > 0 else np.full(len(counts), np.nan)


def capped(energies: NDArray[np.float64], median: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Energies in kT with NaN and what is over the ceiling at the ceiling, and which are."""
    clipped = ~(energies < median + CEILING_KT)  # true for NaN as well
    return np.where(clipped, median + CEILING_KT, energies), clipped
