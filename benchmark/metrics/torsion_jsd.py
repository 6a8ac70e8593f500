"""Jensen-Shannon distance of backbone and side-chain torsions, and of Ramachandran maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from backmapbench.errors import NotApplicableError
from backmapbench.metrics.base import Additive, Metric, MetricContext, Score, Statistics
from backmapbench.metrics.frames import Frames
from backmapbench.metrics.geometry import torsions
from backmapbench.metrics.histograms import jensen_shannon_rows
from backmapbench.metrics.protein_torsions import KINDS, protein_torsions

BINS = 36
PSEUDO_COUNT = 0.5


@dataclass(frozen=True, eq=False)
class TorsionJsd(Metric):
    """Square root of the base-2 Jensen-Shannon divergence of each torsion's histogram, mean over torsions, in [0, 1].

    Torsions are every residue's phi, psi, omega and chi1 to chi5; one that a residue does not have (a terminal phi) is
    left out. 36 bins cover [-pi, pi), each with pseudo-count 0.5 on both sides; samples share one frame's count. An
    undefined angle of the prediction (atoms on a line or a point) goes to a cell of its own, which shares nothing with
    any angle: a torsion that is always undefined scores 1 but for the pseudo-counts. ``_ramachandran`` is the same on
    36 x 36 cells of (phi, psi), mean over residues that have both; with few frames its 1296 pseudo-counts draw every
    pair of maps together. Beside them the mean of each kind. Torsions of side chains with two like branches (PHE chi2,
    ASP chi2) are by atom name, so a flip of half a turn counts.

    Attributes:
        quads: atom indices of all torsions (torsions, 4), kinds in order.
        kinds: kind of each torsion, as place in ``KINDS`` (torsions,).
        pairs: places in ``quads`` of phi and psi of each residue that has both (residues, 2).
    """

    quads: NDArray[np.intp]
    kinds: NDArray[np.intp]
    pairs: NDArray[np.intp]

    id: ClassVar[str] = "torsion_jsd"
    version: ClassVar[int] = 1
    paired: ClassVar[bool] = False
    distance: ClassVar[bool] = True
    scores: ClassVar[tuple[Score, ...]] = (
        Score("torsion_jsd", "", True, "Jensen-Shannon distance of phi, psi, omega and chi histograms, mean"),
        Score("torsion_jsd_ramachandran", "", True, "Jensen-Shannon distance of (phi, psi) maps, mean over residues"),
        *(Score(f"torsion_jsd_{kind}", "", False, f"mean Jensen-Shannon distance of {kind}") for kind in KINDS),
        Score("torsion_undefined_percent", "%", False, "share of torsions that are undefined; they count as worst"),
    )

    @classmethod
    def fit(cls, context: MetricContext) -> Self:
        """Find the torsions. Raises CardError for a molecule without any, DataError for a topology without bonds."""
        found = protein_torsions(context.topology)
        quads = np.concatenate([found[kind] for kind in KINDS])
        if not len(quads):
            raise NotApplicableError(
                f"{cls.id} needs phi, psi, omega or chi and the molecule has none; remove it from the card"
            )
        kinds = np.repeat(np.arange(len(KINDS)), [len(found[kind]) for kind in KINDS])
        psi = {int(quad[1]): len(found["phi"]) + place for place, quad in enumerate(found["psi"])}
        pairs = [(place, psi[int(quad[2])]) for place, quad in enumerate(found["phi"]) if int(quad[2]) in psi]
        return cls(quads, kinds, np.array(pairs, dtype=np.intp).reshape(-1, 2))

    def statistics(self, reference: Frames, prediction: Frames) -> Statistics:
        """Per side frames by bin (torsions, 37), the last undefined, and sparse maps (1, residues x 1297)."""
        return Statistics(reference=self._describe(reference), prediction=self._describe(prediction))

    def _describe(self, frames: Frames) -> dict[str, Additive]:
        key = ("torsion bins", self.quads.tobytes())
        return frames.cached(key, lambda: self._count(frames))

    def _count(self, frames: Frames) -> dict[str, Additive]:
        cells = _cells(torsions(frames.flat, self.quads))
        places = np.arange(len(self.quads)) * (BINS + 1)
        counts = np.bincount((cells + places).ravel(), minlength=len(self.quads) * (BINS + 1))
        phi, psi = cells[:, self.pairs[:, 0]], cells[:, self.pairs[:, 1]]
        joint = np.where((phi < BINS) & (psi < BINS), phi * BINS + psi, BINS**2)
        codes, visits = np.unique(joint + np.arange(len(self.pairs)) * (BINS**2 + 1), return_counts=True)
        row = (visits / frames.samples, (np.zeros(len(codes), dtype=np.intp), codes))
        return {
            "bins": counts.reshape(-1, BINS + 1) / frames.samples,
            "maps": sparse.csr_array(row, shape=(1, len(self.pairs) * (BINS**2 + 1))),
        }

    def value(self, statistics: Statistics) -> dict[str, float]:
        """Means over torsions; NaN for a kind that the molecule lacks and where a side has no frames."""
        expected, found = (np.asarray(part["bins"]) for part in (statistics.reference, statistics.prediction))
        if expected.sum() <= 0 or found.sum() <= 0:
            return {score.id: float("nan") for score in self.scores}
        each = _distances(expected, found)
        maps = _distances(*(self.maps(part) for part in (statistics.reference, statistics.prediction)))
        by_kind = {f"torsion_jsd_{kind}": _mean(each[self.kinds == place]) for place, kind in enumerate(KINDS)}
        return {
            "torsion_jsd": _mean(each),
            "torsion_jsd_ramachandran": _mean(maps),
            **by_kind,
            "torsion_undefined_percent": float(100 * found[:, -1].sum() / found.sum()),
        }

    def maps(self, part: Mapping[str, Additive]) -> NDArray[np.float64]:
        """Frames by cell of each residue's (phi, psi), (residues, 1297), phi slow, the last undefined, for pictures."""
        dense: NDArray[np.float64] = sparse.csr_array(part["maps"]).toarray().reshape(len(self.pairs), BINS**2 + 1)
        return dense


def _cells(angles: NDArray[np.float64]) -> NDArray[np.intp]:
    """Bin of each angle in radians, ``BINS`` where it is undefined."""
    scaled = np.floor((np.nan_to_num(angles) + np.pi) * (BINS / (2 * np.pi))).astype(np.intp) % BINS
    return np.where(np.isnan(angles), BINS, scaled)


def _distances(expected: NDArray[np.float64], found: NDArray[np.float64]) -> NDArray[np.float64]:
    """Jensen-Shannon distance of each row (rows, bins + 1), pseudo-counts added to all cells but the last."""
    pseudo = np.append(np.full(expected.shape[-1] - 1, PSEUDO_COUNT), 0.0)
    return jensen_shannon_rows(expected + pseudo, found + pseudo)


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")
