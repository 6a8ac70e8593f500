"""Peptide bonds in the cis form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from backmapbench.errors import NotApplicableError
from backmapbench.metrics.base import Additive, Metric, MetricContext, Score, Statistics
from backmapbench.metrics.frames import Frames
from backmapbench.metrics.geometry import torsions
from backmapbench.metrics.protein_torsions import peptide_bonds


@dataclass(frozen=True, eq=False)
class CisOmega(Metric):
    """Share of peptide bonds, over frames and samples, whose omega lies within 90 degrees of 0.

    Omega is CA-C-N-CA, with the methyl carbon in place of CA for caps. Bonds to a proline's nitrogen, one in twenty
    of which is cis in real proteins, are counted apart (``_proline``, NaN without one). An undefined omega counts
    as cis; the share of those is reported. Ranked is the distance to the reference's own percentage.

    Attributes:
        omegas: atom indices (omegas, 4).
        proline: whether each bond is to a proline's nitrogen (omegas,).
    """

    omegas: NDArray[np.intp]
    proline: NDArray[np.bool_]

    id: ClassVar[str] = "cis_omega_percent"
    version: ClassVar[int] = 1
    paired: ClassVar[bool] = False
    distance: ClassVar[bool] = False
    scores: ClassVar[tuple[Score, ...]] = (
        Score("cis_omega_percent", "%", True, "cis peptide bonds, those to proline apart: |value - reference|"),
        Score("cis_omega_percent_raw", "%", False, "cis peptide bonds, those to proline apart"),
        Score("cis_omega_percent_proline", "%", True, "cis peptide bonds to proline: |value - reference|"),
        Score("cis_omega_percent_proline_raw", "%", False, "cis peptide bonds to proline"),
        Score("cis_omega_undefined_percent", "%", False, "peptide bonds without an omega; they count as cis"),
    )

    @classmethod
    def fit(cls, context: MetricContext) -> Self:
        """Find the peptide bonds.

        Raises CardError for a molecule without one that is not proline's, DataError for a topology without bonds.
        """
        bonds = peptide_bonds(context.topology)
        if bonds.proline.all():
            raise NotApplicableError(
                f"{cls.id} needs a peptide bond to another residue than proline; remove it from the card"
            )
        return cls(bonds.omegas, bonds.proline)

    def statistics(self, reference: Frames, prediction: Frames) -> Statistics:
        """Per side: [cis, bonds] not to proline, the same to proline, [undefined, bonds], summed: (3, 2)."""
        return Statistics(reference={"bonds": self._count(reference)}, prediction={"bonds": self._count(prediction)})

    def _count(self, frames: Frames) -> NDArray[np.float64]:
        omega = torsions(frames.flat, self.omegas)
        undefined = np.isnan(omega)
        cis = undefined | (np.abs(omega) < np.pi / 2)
        rows = (cis[:, ~self.proline], cis[:, self.proline], undefined)
        return np.array([[row.sum(), row.size] for row in rows], dtype=np.float64)

    def value(self, statistics: Statistics) -> dict[str, float]:
        """Percentages; NaN where a side has no such bonds."""
        expected, found = _percent(statistics.reference), _percent(statistics.prediction)
        return {
            "cis_omega_percent": abs(found[0] - expected[0]),
            "cis_omega_percent_raw": found[0],
            "cis_omega_percent_proline": abs(found[1] - expected[1]),
            "cis_omega_percent_proline_raw": found[1],
            "cis_omega_undefined_percent": found[2],
        }


def _percent(part: Mapping[str, Additive]) -> list[float]:
    rows = np.asarray(part["bonds"])
    return [100.0 * float(number) / float(size) if size > 0 else float("nan") for number, size in rows]
