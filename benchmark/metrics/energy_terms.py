"""Wasserstein-1 distance between energy distributions of single force-field terms, in kT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from backmapbench.metrics.base import Additive, MetricContext, Score, Statistics
from backmapbench.metrics.energy import CEILING_KT, CELL_KT, CELLS, capped, reference_terms
from backmapbench.metrics.force_field import TERMS, PotentialEnergy, thermal_energy
from backmapbench.metrics.frames import Frames
from backmapbench.metrics.histograms import cell_wasserstein, count
from backmapbench.metrics.sides import SideBySide


@dataclass(frozen=True, eq=False)
class EnergyTerms(SideBySide):
    """As energy_w1_kt for every term of the force field on its own; the main score is the mean over its terms.

    Totals can agree while terms cancel: bonds too stiff and clashes too soft, say. Terms are those of
    ``force_field.TERMS`` that the force field has, every one with the same weight; a term that it lacks has no score.
    The ceiling lies 1e4 kT over each term's own reference median, the floor as far below it.

    Attributes:
        potential: the energy function.
        kt: kJ/mol.
        medians: reference median of each term at fit, kT, by name.
    """

    id: ClassVar[str] = "energy_terms_w1_kt"
    version: ClassVar[int] = 1
    paired: ClassVar[bool] = False
    distance: ClassVar[bool] = True
    scores: ClassVar[tuple[Score, ...]] = (
        Score("energy_terms_w1_kt", "kT", True, "mean Wasserstein-1 distance of the energies of single terms"),
        *(
            Score(f"energy_{term}_w1_kt", "kT", False, f"Wasserstein-1 distance of {term.replace('_', ' ')} energies")
            for term in TERMS
        ),
    )

    potential: PotentialEnergy
    kt: float
    medians: dict[str, float]

    @classmethod
    def fit(cls, context: MetricContext) -> Self:
        """Medians of the reference. Raises DataError when it has an energy that is not finite."""
        potential = PotentialEnergy(context.topology_path, context.force_field)
        kt = thermal_energy(context.temperature_K)
        medians = np.median(reference_terms(context, potential), axis=0) / kt
        return cls(potential, kt, dict(zip(potential.names, medians.tolist(), strict=True)))

    def describe(self, frames: Frames) -> dict[str, Additive]:
        """Histogram (1, cells) of each term's energies by its name, from ``CEILING_KT`` below its median."""
        energies = self.potential.terms_of(frames).T / self.kt
        return {
            name: count(capped(found, median)[0], CELL_KT, CELLS, median - CEILING_KT)
            for (name, median), found in zip(self.medians.items(), energies, strict=True)
        }

    def value(self, statistics: Statistics) -> dict[str, float]:
        """Scores from summed statistics; NaN where either side has no frames, and for terms that do not exist."""
        x, y = statistics.reference, statistics.prediction
        found = {name: cell_wasserstein(x[name], y[name], CELL_KT) for name in self.medians}
        terms = {f"energy_{term}_w1_kt": found.get(term, float("nan")) for term in TERMS}
        return {"energy_terms_w1_kt": float(np.mean(list(found.values()))), **terms}
