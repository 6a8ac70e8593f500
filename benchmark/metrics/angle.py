"""Distributions of bond angles, by triple of elements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar, Self

import mdtraj
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from backmapbench.errors import NotApplicableError
from backmapbench.metrics.base import Additive, Metric, MetricContext, Score, Statistics
from backmapbench.metrics.frames import Frames
from backmapbench.metrics.geometry import angles
from backmapbench.metrics.histograms import cell_wasserstein, count
from backmapbench.metrics.selections import neighbours, symbol

CELL_DEGREE = 1e-2
CELLS = round(180 / CELL_DEGREE)
UNDEFINED = "undefined "
"""What the names of these statistics begin with."""


@dataclass(frozen=True, eq=False)
class Angle(Metric):
    """Wasserstein-1 distance between bond angles of prediction and reference, in degrees.

    Angles are those between two bonds of the topology that share an atom. They are pooled over the angles of one triple
    of elements ("C-N-H": the vertex in the middle, the ends unordered), over frames and samples; the score is the mean
    over these classes, weighted by their angles (Shmilovich 2022 figs 17-20 show the classes). Angles are counted in
    cells of 0.01 degree: the score is exact to 0.01. An undefined angle (an atom on its neighbour, or at no finite
    place) counts as worst: all those of a class count as 0 or all as 180 degrees, whichever is farther from the
    reference. Their share is reported.

    Attributes:
        classes: atom indices (angles, 3), vertex in the middle, by element triple.
    """

    classes: Mapping[str, NDArray[np.intp]]

    id: ClassVar[str] = "angle_w1_degree"
    version: ClassVar[int] = 1
    paired: ClassVar[bool] = False
    distance: ClassVar[bool] = True
    scores: ClassVar[tuple[Score, ...]] = (
        Score("angle_w1_degree", "degree", True, "Wasserstein-1 of bond angles per element triple, mean"),
        Score("angle_undefined_percent", "%", False, "bond angles with an atom on its neighbour; they count as worst"),
    )

    @classmethod
    def fit(cls, context: MetricContext) -> Self:
        """Sort the topology's angles into classes.

        Raises DataError for a topology without bonds, CardError for a molecule without angles.
        """
        classes = angle_classes(context.topology)
        if not classes:
            raise NotApplicableError(
                f"{cls.id} needs atoms with two bonds and the molecule has none; remove it from the card"
            )
        return cls(classes)

    def statistics(self, reference: Frames, prediction: Frames) -> Statistics:
        """Per side and class a sparse histogram (1, cells) and, under "undefined <class>", how many are undefined."""
        return Statistics(reference=self._describe(reference), prediction=self._describe(prediction))

    def _describe(self, frames: Frames) -> dict[str, Additive]:
        key = ("bond angles", tuple(triples.tobytes() for triples in self.classes.values()))
        return frames.cached(key, lambda: self._histograms(frames))

    def _histograms(self, frames: Frames) -> dict[str, Additive]:
        found: dict[str, Additive] = {}
        for name, triples in self.classes.items():
            values = angles(frames.flat, triples).ravel()
            defined = ~np.isnan(values)
            found[name] = count(values[defined], CELL_DEGREE, CELLS)
            found[undefined(name)] = np.asarray(float(len(values) - defined.sum()))
        return found

    def value(self, statistics: Statistics) -> dict[str, float]:
        """The mean over classes; NaN where a side has no frames."""
        sizes = {name: len(triples) for name, triples in self.classes.items()}
        total = sum(size * self._distance(statistics, name) for name, size in sizes.items())
        lost = sum(float(np.asarray(statistics.prediction[undefined(name)])) for name in sizes)
        counted = lost + sum(float(statistics.prediction[name].sum()) for name in sizes)
        return {
            "angle_w1_degree": total / sum(sizes.values()),
            "angle_undefined_percent": 100 * lost / counted if counted > 0 else float("nan"),
        }

    def _distance(self, statistics: Statistics, name: str) -> float:
        sides = (statistics.prediction, statistics.reference)
        ends = (0, CELLS - 1) if any(float(np.asarray(side[undefined(name)])) > 0 for side in sides) else (0,)
        placed = [[_placed(side, name, end) for side in sides] for end in ends]
        return max(cell_wasserstein(found, expected, CELL_DEGREE) for found, expected in placed)


def angle_classes(topology: mdtraj.Topology) -> dict[str, NDArray[np.intp]]:
    """Atom indices (angles, 3), vertex in the middle, by element triple; empty where no atom has two bonds.

    Raises DataError for a topology without bonds or an atom without an element.
    """
    found: dict[str, list[tuple[int, int, int]]] = {}
    symbols = [symbol(atom) for atom in topology.atoms]
    for vertex, around in enumerate(neighbours(topology)):
        for first, last in combinations(around, 2):
            ends = sorted((symbols[first], symbols[last]))
            found.setdefault(f"{ends[0]}-{symbols[vertex]}-{ends[1]}", []).append((first, vertex, last))
    return {name: np.array(found[name], dtype=np.intp) for name in sorted(found)}


def undefined(name: str) -> str:
    """The statistic that counts the undefined angles of class ``name``."""
    return f"{UNDEFINED}{name}"


def _placed(part: Mapping[str, Additive], name: str, end: int) -> sparse.csr_array:
    """The histogram of a class with its undefined angles in cell ``end``."""
    histogram, lost = sparse.csr_array(part[name]), float(np.asarray(part[undefined(name)]))
    if lost <= 0:
        return histogram
    return sparse.csr_array(histogram + sparse.csr_array(([lost], ([0], [end])), shape=histogram.shape))
