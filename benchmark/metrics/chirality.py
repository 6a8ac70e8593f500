"""Chiral centres that a prediction inverts or flattens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from backmapbench.errors import CardError, NotApplicableError
from backmapbench.metrics.base import Additive, Metric, MetricContext, Score, Statistics
from backmapbench.metrics.chiral_centres import chiral_centres, signed_volumes
from backmapbench.metrics.frames import Frames

FLAT_ANGSTROM3 = 0.5
NM3_PER_ANGSTROM3 = 1e-3
SHORTEST_NM = 1e-3  # a bond below a hundredth of an Angstrom has no direction


@dataclass(frozen=True, eq=False)
class Chirality(Metric):
    """Share of chiral centres, over frames and samples, that are inverted or nearly flat.

    A centre counts where its signed volume (triple product of three bonds), taken with the expected sign, is not above
    ``flat``; a volume that is not a number counts too. The expected handedness is that of the reference: the sign of
    the median volume over its frames, so the majority where the reference itself holds both. Ranked is the distance to
    the reference's own percentage; beside it the share of centres that have no volume at all, their bonds being of no
    length or not finite.

    The default threshold of 0.5 cubic Angstrom is a fifth of an alpha carbon's ideal volume, 2.6 (thermal spread about
    0.2); set ``flat_angstrom3`` in the task card to change it.

    Attributes:
        centres: (centres, 4) atom indices, the centre first.
        handedness: expected sign of each centre's volume, +1 or -1.
        flat: volumes up to this count as flat, nm^3.
    """

    centres: NDArray[np.intp]
    handedness: NDArray[np.float64]
    flat: float

    id: ClassVar[str] = "chirality_percent"
    version: ClassVar[int] = 1
    paired: ClassVar[bool] = False
    distance: ClassVar[bool] = False
    scores: ClassVar[tuple[Score, ...]] = (
        Score("chirality_percent", "%", True, "chiral centres inverted or nearly flat: |value - reference|"),
        Score("chirality_percent_raw", "%", False, "chiral centres inverted or nearly flat"),
        Score("chirality_undefined_percent", "%", False, "chiral centres that coincide with a neighbour"),
    )

    @classmethod
    def fit(cls, context: MetricContext) -> Self:
        """Find centres in the topology and their handedness in the reference.

        Raises CardError for a ``flat_angstrom3`` that is not a number >= 0 and for a molecule without chiral centres
        (glycine alone), DataError for a topology without bonds.
        """
        flat = context.settings.get("flat_angstrom3", FLAT_ANGSTROM3)
        if not isinstance(flat, int | float) or not 0 <= flat < np.inf:
            raise CardError(f"{cls.id}: flat_angstrom3 = {flat!r}; give a volume >= 0 in cubic Angstrom")
        centres = chiral_centres(context.topology)
        if not len(centres):
            raise NotApplicableError(
                f"{cls.id} needs chiral centres and the molecule has none; remove it from the card"
            )
        median = np.median(signed_volumes(context.reference.positions, centres), axis=0)
        return cls(centres, np.where(median < 0, -1.0, 1.0), float(flat) * NM3_PER_ANGSTROM3)

    def statistics(self, reference: Frames, prediction: Frames) -> Statistics:
        """Per side: [centres inverted or flat, undefined ones, centres], summed over frames and samples."""
        return Statistics(
            reference={"centres": self._count(reference)}, prediction={"centres": self._count(prediction)}
        )

    def _count(self, frames: Frames) -> NDArray[np.float64]:
        xyz = frames.flat
        with np.errstate(invalid="ignore", over="ignore"):  # NaN is not above the threshold, so it counts
            volumes = self.handedness * signed_volumes(xyz, self.centres)
            wrong = ~(volumes > self.flat)
        suspects = np.nonzero(wrong)
        bonds = xyz[suspects[0][:, None], self.centres[suspects[1], 1:]].astype(np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            bonds -= xyz[suspects[0], self.centres[suspects[1], 0]][:, None]
            shortest = (bonds**2).sum(axis=-1).min(axis=-1)
            undefined = ~((shortest > SHORTEST_NM**2) & (shortest < np.inf))
        return np.array([wrong.sum(), undefined.sum(), wrong.size], dtype=np.float64)

    def value(self, statistics: Statistics) -> dict[str, float]:
        """Percentages; NaN where a side has no frames."""
        (expected, _), (found, undefined) = _percent(statistics.reference), _percent(statistics.prediction)
        return {
            "chirality_percent": abs(found - expected),
            "chirality_percent_raw": found,
            "chirality_undefined_percent": undefined,
        }


def _percent(part: Mapping[str, Additive]) -> tuple[float, float]:
    wrong, undefined, centres = (float(number) for number in np.asarray(part["centres"]))
    return (100.0 * wrong / centres, 100.0 * undefined / centres) if centres > 0 else (float("nan"), float("nan"))
