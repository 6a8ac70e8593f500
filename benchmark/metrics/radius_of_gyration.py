"""Distribution of the radius of gyration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from backmapbench.metrics.base import Additive, Metric, MetricContext, Score, Statistics
from backmapbench.metrics.frames import Frames
from backmapbench.metrics.histograms import cell_median, cell_wasserstein, count
from backmapbench.metrics.selections import heavy_atoms

CELL_NM = 1e-5
CEILING_NM = 100.0
CELLS = round(CEILING_NM / CELL_NM)
ANGSTROM_PER_NM = 10.0


@dataclass(frozen=True, eq=False)
class RadiusOfGyration(Metric):
    """Wasserstein-1 distance between radii of gyration of prediction and reference, in Angstrom.

    Rg = sqrt(mean over heavy atoms of |x - centroid|^2), atoms weighing equally, over frames and samples (Kementzidis
    2025, fig. 7; MDTraj's compute_rg on a heavy-atom trajectory). Radii are counted in cells of 1e-5 nm: the score is
    exact to 1e-4 Angstrom. A radius that is not a number, or above 100 nm, counts as 100 nm.

    Attributes:
        heavy: indices of the heavy atoms.
    """

    heavy: NDArray[np.intp]

    id: ClassVar[str] = "rg_w1_angstrom"
    version: ClassVar[int] = 1
    paired: ClassVar[bool] = False
    distance: ClassVar[bool] = True
    scores: ClassVar[tuple[Score, ...]] = (
        Score("rg_w1_angstrom", "Angstrom", True, "Wasserstein-1 of radii of gyration, heavy atoms"),
        Score("rg_median_shift_angstrom", "Angstrom", False, "median radius of gyration minus the reference's"),
    )

    @classmethod
    def fit(cls, context: MetricContext) -> Self:
        """Select the heavy atoms. Raises DataError where there are none."""
        return cls(heavy_atoms(context.topology))

    def statistics(self, reference: Frames, prediction: Frames) -> Statistics:
        """Per side a sparse histogram (1, cells) of radii, over frames and samples."""
        return Statistics(reference=self._describe(reference), prediction=self._describe(prediction))

    def _describe(self, frames: Frames) -> dict[str, Additive]:
        key = ("radius of gyration", self.heavy.tobytes())
        return frames.cached(key, lambda: {"radii": count(radii(frames.flat[:, self.heavy]), CELL_NM, CELLS)})

    def value(self, statistics: Statistics) -> dict[str, float]:
        """Distance and shift of the median; NaN where a side has no frames."""
        x, y = (sparse.csr_array(part["radii"]) for part in (statistics.reference, statistics.prediction))
        return {
            "rg_w1_angstrom": ANGSTROM_PER_NM * cell_wasserstein(x, y, CELL_NM),
            "rg_median_shift_angstrom": ANGSTROM_PER_NM * (cell_median(y, CELL_NM) - cell_median(x, CELL_NM)),
        }


def radii(xyz: NDArray[np.floating]) -> NDArray[np.float64]:
    """Radius of gyration of each frame, (frames,), in the unit of ``xyz`` (frames, atoms, 3); atoms weigh equally."""
    points = np.asarray(xyz, dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        points = points - points.mean(axis=1, keepdims=True)
        found: NDArray[np.float64] = np.sqrt(np.einsum("fai,fai->f", points, points) / points.shape[1])
    return found
