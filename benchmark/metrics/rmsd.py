"""Root-mean-square deviation of heavy atoms from the reference frame, in Angstrom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from backmapbench.metrics.base import Metric, MetricContext, Score, Statistics
from backmapbench.metrics.frames import Frames
from backmapbench.metrics.selections import backbone_atoms, heavy_atoms, side_chain_atoms
from backmapbench.superposition import superpose

ANGSTROM_PER_NM = 10.0


@dataclass(frozen=True, eq=False)
class Rmsd(Metric):
    """Per frame sqrt(sum over heavy atoms of d^2 / n), mean over frames and samples, without superposition.

    The beads fix the frame of reference, so misplacing the molecule is an error. ``_superposed`` first fits each frame
    by a proper rotation (shape alone). ``_backbone`` and ``_sidechain`` take these atoms of amino-acid residues only,
    not superposed (caps belong to neither; NaN where the molecule has none). ``_best_of_k`` takes the best of a frame's
    samples, k being their number: it compares only rows with as many samples. ``_as_published`` is the square root of
    the grand mean of d^2, which weighs bad frames more and is never smaller than the mean over frames (Jensen); the
    public code of papers 000 and 002 does so.

    Attributes:
        heavy: indices of the heavy atoms.
        backbone: those among ``heavy`` that are backbone atoms of amino-acid residues, as places in ``heavy``.
        sidechain: the same for side-chain atoms.
    """

    heavy: NDArray[np.intp]
    backbone: NDArray[np.intp]
    sidechain: NDArray[np.intp]

    id: ClassVar[str] = "rmsd_angstrom"
    version: ClassVar[int] = 1
    paired: ClassVar[bool] = True
    distance: ClassVar[bool] = False
    scores: ClassVar[tuple[Score, ...]] = (
        Score("rmsd_angstrom", "Angstrom", True, "heavy-atom RMSD per frame, not superposed, mean over frames"),
        Score("rmsd_angstrom_superposed", "Angstrom", True, "the same after the best proper rotation of each frame"),
        Score("rmsd_angstrom_backbone", "Angstrom", True, "backbone atoms of amino-acid residues, not superposed"),
        Score("rmsd_angstrom_sidechain", "Angstrom", True, "heavy side-chain atoms, not superposed"),
        Score("rmsd_angstrom_best_of_k", "Angstrom", True, "the best of each frame's samples, not superposed"),
        Score("rmsd_angstrom_as_published", "Angstrom", False, "square root of the grand mean, not superposed"),
    )

    @classmethod
    def fit(cls, context: MetricContext) -> Self:
        """Select the heavy atoms. Raises DataError where there are none."""
        heavy = heavy_atoms(context.topology)
        backbone, sidechain = backbone_atoms(context.topology), side_chain_atoms(context.topology)
        return cls(heavy, np.searchsorted(heavy, backbone), np.searchsorted(heavy, sidechain))

    def statistics(self, reference: Frames, prediction: Frames) -> Statistics:
        """Sums over frames and samples of each RMSD (nm) and of the mean square deviation (nm^2)."""
        target = reference.owned[..., self.heavy, :].astype(np.float64)
        moved = prediction.owned[..., self.heavy, :].astype(np.float64)
        each = _squares(moved, target)
        squares = each.mean(axis=-1)
        # The best rotation is never worse than none, so the smaller keeps the oracle at exactly 0 despite rounding.
        with np.errstate(invalid="ignore", over="ignore"):  # places that are not finite have no best rotation
            fitted = superpose(moved, target)
        superposed = np.minimum(squares, _squares(fitted, target).mean(axis=-1))
        sums = {
            "rmsd": np.sqrt(squares).sum(),
            "superposed": np.sqrt(superposed).sum(),
            "backbone": _root_mean(each[..., self.backbone]),
            "sidechain": _root_mean(each[..., self.sidechain]),
            "best": np.sqrt(squares.min(axis=0)).sum(),
            "best_frames": float(squares.shape[1]),
            "squares": squares.sum(),
            "frames": float(squares.size),
        }
        return Statistics(paired={name: np.asarray(value) for name, value in sums.items()})

    def value(self, statistics: Statistics) -> dict[str, float]:
        """Means over frames in Angstrom; NaN without frames."""
        sums = {name: float(np.asarray(value)) for name, value in statistics.paired.items()}
        frames = sums["frames"]
        if frames <= 0:
            return {score.id: float("nan") for score in self.scores}
        return {
            "rmsd_angstrom": ANGSTROM_PER_NM * sums["rmsd"] / frames,
            "rmsd_angstrom_superposed": ANGSTROM_PER_NM * sums["superposed"] / frames,
            "rmsd_angstrom_backbone": ANGSTROM_PER_NM * sums["backbone"] / frames,
            "rmsd_angstrom_sidechain": ANGSTROM_PER_NM * sums["sidechain"] / frames,
            "rmsd_angstrom_best_of_k": ANGSTROM_PER_NM * sums["best"] / sums["best_frames"],
            "rmsd_angstrom_as_published": ANGSTROM_PER_NM * float(np.sqrt(sums["squares"] / frames)),
        }


def _squares(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared distance of each atom: (samples, frames, atoms), nm^2."""
    with np.errstate(invalid="ignore", over="ignore"):
        difference = first - second
    found: NDArray[np.float64] = np.einsum("...ai,...ai->...a", difference, difference)
    return found


def _root_mean(squares: NDArray[np.float64]) -> float:
    """Sum over frames of the root of the mean over atoms; NaN where there are none."""
    return float(np.sqrt(squares.mean(axis=-1)).sum()) if squares.shape[-1] else float("nan")
