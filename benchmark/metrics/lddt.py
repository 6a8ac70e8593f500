"""Local distance difference test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

from backmapbench.errors import NotApplicableError
from backmapbench.metrics.base import Metric, MetricContext, Score, Statistics
from backmapbench.metrics.frames import Frames
from backmapbench.metrics.selections import heavy_atoms

INCLUSION_NM = 1.5
THRESHOLDS_NM = (0.05, 0.1, 0.2, 0.4)
BLOCK_VALUES = 400_000  # distances compared at once: a few MB, so a block stays in the processor's cache
PAIRED_ATOMS = 100  # up to here frames are compared in blocks; more atoms fill a block with one frame


@dataclass(frozen=True, eq=False)
class Lddt(Metric):
    """One minus the lDDT of each frame, mean over frames and samples; heavy atoms.

    The lDDT (Mariani et al. 2013 Bioinformatics 29, 2722) is the share of the reference's distances below 15 Angstrom
    between atoms of different residues that the prediction keeps to within 0.5, 1, 2 and 4 Angstrom, mean over these
    four. It needs no superposition and does not see a mirror image. A distance that is not finite is not kept. Frames
    without such a distance do not count.

    Attributes:
        heavy: indices of the heavy atoms.
        residue: residue of each heavy atom.
    """

    heavy: NDArray[np.intp]
    residue: NDArray[np.intp]

    id: ClassVar[str] = "lddt"
    version: ClassVar[int] = 1
    paired: ClassVar[bool] = True
    distance: ClassVar[bool] = False
    scores: ClassVar[tuple[Score, ...]] = (
        Score("lddt", "", True, "1 - lDDT: share of distances below 15 Angstrom that are not kept"),
        Score("lddt_raw", "", False, "lDDT of heavy atoms, higher is better"),
    )

    @classmethod
    def fit(cls, context: MetricContext) -> Self:
        """Select the heavy atoms. Raises CardError for a molecule with one residue, DataError without heavy atoms."""
        heavy = heavy_atoms(context.topology)
        atoms = list(context.topology.atoms)
        residue = np.array([atoms[index].residue.index for index in heavy], dtype=np.intp)
        if len(np.unique(residue)) < 2:
            raise NotApplicableError(
                f"{cls.id} compares distances between residues and there is one; remove it from the card"
            )
        return cls(heavy, residue)

    def statistics(self, reference: Frames, prediction: Frames) -> Statistics:
        """Sum of 1 - lDDT and number of frames that have a distance to keep, over frames and samples."""
        target, moved = reference.owned[0][:, self.heavy], prediction.owned[..., self.heavy, :]
        step = max(1, BLOCK_VALUES // len(self.residue) ** 2)
        lost, counted = 0.0, 0
        for start in range(0, len(target), step):
            part = slice(start, start + step)
            kept, distances = self.kept(target[part], moved[:, part])
            defined = distances > 0
            # As lost / all, not 1 - kept / all: exactly 0 where all is kept.
            missing = len(THRESHOLDS_NM) * distances[defined] - kept[:, defined]
            lost += float((missing / (len(THRESHOLDS_NM) * distances[defined])).sum())
            counted += len(moved) * int(defined.sum())
        return Statistics(paired={"lost": np.asarray(lost), "frames": np.asarray(float(counted))})

    def kept(
        self, reference: NDArray[np.floating], prediction: NDArray[np.floating]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Distances kept, summed over the four thresholds (samples, frames), and distances to keep (frames,).

        ``reference`` (frames, heavy, 3), ``prediction`` (samples, frames, heavy, 3), nm.
        """
        measure = _by_block if len(self.residue) <= PAIRED_ATOMS else _by_frame
        first, second = np.triu_indices(len(self.residue), 1)
        apart = self.residue[first] != self.residue[second]
        expected = measure(reference)
        close = apart & (expected < INCLUSION_NM)
        kept = np.zeros(prediction.shape[:2], dtype=np.int64)
        for sample, drawn in enumerate(prediction):
            with np.errstate(invalid="ignore"):  # NaN is not within any threshold
                change = np.where(close, np.abs(measure(drawn) - expected), np.inf)
            kept[sample] = sum(np.count_nonzero(change <= threshold, axis=-1) for threshold in THRESHOLDS_NM)
        return kept, np.count_nonzero(close, axis=-1)

    def value(self, statistics: Statistics) -> dict[str, float]:
        """Means over frames; NaN where no frame has a distance to keep."""
        lost, frames = (float(np.asarray(statistics.paired[name])) for name in ("lost", "frames"))
        error = lost / frames if frames > 0 else float("nan")
        return {"lddt": error, "lddt_raw": 1.0 - error}


def _by_block(xyz: NDArray[np.floating]) -> NDArray[np.float64]:
    """Distances of all pairs (first < second), (frames, pairs), for many frames of a small molecule."""
    first, second = np.triu_indices(xyz.shape[1], 1)
    difference = np.asarray(xyz, dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        difference = difference[:, first] - difference[:, second]
        distances: NDArray[np.float64] = np.sqrt(np.einsum("fpi,fpi->fp", difference, difference))
    return distances


def _by_frame(xyz: NDArray[np.floating]) -> NDArray[np.float64]:
    """The same for few frames of a large molecule."""
    return np.stack([pdist(frame) for frame in np.asarray(xyz, dtype=np.float64)])
