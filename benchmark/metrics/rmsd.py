"""Root-mean-square deviation of heavy atoms from the reference frame, in Angstrom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from backmapbench.metrics.base import Metric, MetricContext, Score, Statistics
from backmapbench.metrics.frames import Frames
from backmapbench.metrics.selections import heavy_atoms
from backmapbench.superposition import superpose

ANGSTROM_PER_NM = 10.0


@dataclass(frozen=True, eq=False)
class Rmsd(Metric):
    """Per frame sqrt(sum over heavy atoms of d^2 / n), mean over frames and samples, without superposition.

    The beads fix the frame of reference, so misplacing the molecule is an error. ``_superposed`` first fits each frame
    by a proper rotation (shape alone). ``_as_published`` is the square root of the grand mean of d^2, which weighs bad
    frames more and is never smaller than the mean over frames (Jensen); the public code of papers 000 and 002 does so.

    Attributes:
        heavy: indices of the heavy atoms.
    """

    heavy: NDArray[np.intp]

    id: ClassVar[str] = "rmsd_angstrom"
    version: ClassVar[int] = 1
    paired: ClassVar[bool] = True
    distance: ClassVar[bool] = False
    scores: ClassVar[tuple[Score, ...]] = (
        Score("rmsd_angstrom", "Angstrom", True, "heavy-atom RMSD per frame, not superposed, mean over frames"),
        Score("rmsd_angstrom_superposed", "Angstrom", True, "the same after the best proper rotation of each frame"),
        Score("rmsd_angstrom_as_published", "Angstrom", False, "square root of the grand mean, not superposed"),
    )

    @classmethod
    def fit(cls, context: MetricContext) -> Self:
        """Select the heavy atoms. Raises DataError where there are none."""
        return cls(heavy_atoms(context.topology))

    def statistics(self, reference: Frames, prediction: Frames) -> Statistics:
        """Sums over frames and samples of RMSD (nm), superposed RMSD (nm) and mean square deviation (nm^2)."""
        target = reference.owned[..., self.heavy, :].astype(np.float64)
        moved = prediction.owned[..., self.heavy, :].astype(np.float64)
        squares = _mean_square(moved, target)
        # The best rotation is never worse than none, so the smaller keeps the oracle at exactly 0 despite rounding.
        superposed = np.minimum(squares, _mean_square(superpose(moved, target), target))
        return Statistics(
            paired={
                "rmsd": np.asarray(np.sqrt(squares).sum()),
                "superposed": np.asarray(np.sqrt(superposed).sum()),
                "squares": np.asarray(squares.sum()),
                "frames": np.asarray(float(squares.size)),
            }
        )

    def value(self, statistics: Statistics) -> dict[str, float]:
        """Means over frames in Angstrom."""
        sums = {name: float(np.asarray(value)) for name, value in statistics.paired.items()}
        frames = sums["frames"]
        return {
            "rmsd_angstrom": ANGSTROM_PER_NM * sums["rmsd"] / frames,
            "rmsd_angstrom_superposed": ANGSTROM_PER_NM * sums["superposed"] / frames,
            "rmsd_angstrom_as_published": ANGSTROM_PER_NM * float(np.sqrt(sums["squares"] / frames)),
        }


def _mean_square(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over atoms of squared distances: (samples, frames), nm^2."""
    difference = first - second
    found: NDArray[np.float64] = np.einsum("...ai,...ai->...", difference, difference) / first.shape[-2]
    return found
