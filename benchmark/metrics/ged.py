"""Graph edit distance between the bond graphs of reference and prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from backmapbench.metrics.base import Additive, Metric, MetricContext, Score, Statistics
from backmapbench.metrics.bond_graph import BondGraph, EdgeCounts, Edges
from backmapbench.metrics.frames import Frames


@dataclass(frozen=True, eq=False)
class Ged(Metric):
    """|E symmetric difference E^| / |E| per frame, mean over frames and samples with |E| > 0; heavy atoms.

    It is the graph edit distance whenever an atom cannot become another one: nodes are the same atoms in both graphs,
    so only edges are edited (Sanfeliu and Fu 1983 with prohibitive node costs). Both graphs are inferred from
    coordinates (``BondGraph``). ``_all_atom`` counts hydrogens too. As published, descriptive because in both a missing
    bond cancels a spurious one: ``ged_signed`` = | |E^| - |E| | / |E|, and ``ged_signed_diagonal``, which adds the N
    self pairs to the norm and sums over frames before taking the absolute value:
    2 |sum_f (|E^| - |E|)| / sum_f (2 |E| + N).

    Attributes:
        graph: bond inference for the task's molecule.
    """

    graph: BondGraph

    id: ClassVar[str] = "ged"
    version: ClassVar[int] = 1
    paired: ClassVar[bool] = True
    distance: ClassVar[bool] = False
    scores: ClassVar[tuple[Score, ...]] = (
        Score("ged", "", True, "bonds lost plus bonds gained over bonds, heavy atoms"),
        Score("ged_all_atom", "", True, "the same with hydrogens"),
        Score("ged_signed", "", False, "as published: difference of bond counts over bonds; lost and gained cancel"),
        Score("ged_signed_diagonal", "", False, "as published: summed over frames, self pairs counted in the norm"),
    )

    @classmethod
    def fit(cls, context: MetricContext) -> Self:
        """Look up the radii. Raises DataError for an element that has none."""
        return cls(BondGraph.of(context.topology))

    def statistics(self, reference: Frames, prediction: Frames) -> Statistics:
        """Sums over frames and samples of each ratio, and the frames that have bonds."""
        own = self._edges(reference)
        sums: dict[str, Additive] = {}
        for sample in prediction.owned:
            found = self._sums(*self.graph.compare(own, sample))
            sums = {name: sums.get(name, 0.0) + value for name, value in found.items()}
        return Statistics(paired={name: np.asarray(value) for name, value in sums.items()})

    def _edges(self, frames: Frames) -> Edges:
        return frames.cached(("bond graph", self.graph.radii.tobytes()), lambda: self.graph.edges(frames.flat))

    def _sums(self, heavy: EdgeCounts, everything: EdgeCounts) -> dict[str, NDArray[np.float64]]:
        change = heavy.prediction - heavy.reference
        size = 2 * heavy.reference + int(self.graph.heavy.sum())
        values = {
            "heavy": _ratio(heavy.differing, heavy.reference),
            "heavy_frames": np.count_nonzero(heavy.reference),
            "all": _ratio(everything.differing, everything.reference),
            "all_frames": np.count_nonzero(everything.reference),
            "signed": _ratio(np.abs(change), heavy.reference),
            "change": change.sum(),
            "size": size.sum(),
        }
        return {name: np.asarray(float(value)) for name, value in values.items()}

    def value(self, statistics: Statistics) -> dict[str, float]:
        """Means over frames; NaN (not applicable) where no reference frame has a bond."""
        sums = {name: float(np.asarray(value)) for name, value in statistics.paired.items()}
        return {
            "ged": _mean(sums["heavy"], sums["heavy_frames"]),
            "ged_all_atom": _mean(sums["all"], sums["all_frames"]),
            "ged_signed": _mean(sums["signed"], sums["heavy_frames"]),
            "ged_signed_diagonal": _mean(2 * abs(sums["change"]), sums["size"]),
        }


def _ratio(counts: NDArray[np.int64], edges: NDArray[np.int64]) -> float:
    """Sum over the frames that have edges of counts / edges."""
    defined = edges > 0
    return float((counts[defined] / edges[defined]).sum())


def _mean(total: float, count: float) -> float:
    return total / count if count > 0 else float("nan")
