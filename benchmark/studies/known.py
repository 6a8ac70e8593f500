"""Metrics of the known processes: the sums and distances of the suite's own metrics, read from one coordinate."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from backmapbench.metrics.base import Additive, Metric, MetricContext, Score, Statistics
from backmapbench.metrics.frames import Frames
from backmapbench.metrics.histograms import cell_wasserstein, count, jensen_shannon
from backmapbench.metrics.time_series import lagged
from backmapbench.metrics.timescales import floored_timescales

PSEUDO_COUNT = 0.5


def values_of(frames: Frames) -> NDArray[np.float64]:
    """The process, leading frames included: (lead + frames,)."""
    return frames.xyz[0, :, 0, 0].astype(np.float64)


class Known(Metric):
    """A metric of the x coordinate; a study makes it with its parameters, so there is nothing to fit."""

    version: ClassVar[int] = 1
    paired: ClassVar[bool] = False
    distance: ClassVar[bool] = True

    @classmethod
    def fit(cls, _context: MetricContext) -> Self:
        """Not fitted. Always raises TypeError."""
        raise TypeError(f"{cls.__name__} belongs to a study of known processes; make it with its parameters")

    def statistics(self, reference: Frames, prediction: Frames) -> Statistics:
        """``describe`` of each side."""
        return Statistics(self.describe(reference), self.describe(prediction))

    def describe(self, frames: Frames) -> dict[str, Additive]:
        """Additive statistics of one side; a metric of pairs has none and overrides ``statistics``."""
        raise TypeError(f"{type(self).__name__} is a metric of pairs; neither side has statistics of its own")


class MeanDeviation(Known):
    """Mean of |prediction - reference| over frames, as an RMSD is: no distance, its mean is far from 0."""

    id: ClassVar[str] = "mean deviation"
    paired: ClassVar[bool] = True
    distance: ClassVar[bool] = False
    scores: ClassVar[tuple[Score, ...]] = (Score("mean deviation", "", True, "mean absolute deviation"),)

    def statistics(self, reference: Frames, prediction: Frames) -> Statistics:
        """[sum, frames]."""
        deviations = np.abs(prediction.owned[0, :, 0, 0].astype(np.float64) - reference.owned[0, :, 0, 0])
        return Statistics(paired={"sums": np.array([deviations.sum(), len(deviations)])})

    def value(self, statistics: Statistics) -> dict[str, float]:
        """The mean."""
        total, frames = np.asarray(statistics.paired["sums"])
        return {self.id: float(total / frames)}


@dataclass(frozen=True)
class ShareDifference(Known):
    """|share of frames above ``threshold`` - the reference's|, as percentages of clashes or jumps are."""

    threshold: float
    id: ClassVar[str] = "share"
    scores: ClassVar[tuple[Score, ...]] = (Score("share", "", True, "absolute difference of shares"),)

    def describe(self, frames: Frames) -> dict[str, Additive]:
        """[frames above, frames]."""
        owned = values_of(frames)[frames.lead :]
        return {"sums": np.array([(owned > self.threshold).sum(), len(owned)], dtype=np.float64)}

    def value(self, statistics: Statistics) -> dict[str, float]:
        """The difference."""
        (expected, total), (found, owned) = (
            np.asarray(part["sums"]) for part in (statistics.reference, statistics.prediction)
        )
        return {self.id: float(abs(found / owned - expected / total))}


@dataclass(frozen=True)
class Wasserstein(Known):
    """Wasserstein-1 distance on cells of ``width`` from ``lowest``."""

    width: float = 0.02
    lowest: float = -10.0
    id: ClassVar[str] = "W1"
    scores: ClassVar[tuple[Score, ...]] = (Score("W1", "", True, "Wasserstein-1 distance"),)

    def describe(self, frames: Frames) -> dict[str, Additive]:
        """Histogram (1, cells)."""
        cells = round(-2 * self.lowest / self.width)
        return {"counts": count(values_of(frames)[frames.lead :], self.width, cells, self.lowest)}

    def value(self, statistics: Statistics) -> dict[str, float]:
        """The distance."""
        found, expected = (sparse.csr_array(part["counts"]) for part in (statistics.prediction, statistics.reference))
        return {self.id: cell_wasserstein(found, expected, self.width)}


@dataclass(frozen=True)
class Binned(Known):
    """Counts in ``bins`` equal bins of [-pi, pi)."""

    bins: int

    def describe(self, frames: Frames) -> dict[str, Additive]:
        """Counts (bins,)."""
        angles = values_of(frames)[frames.lead :]
        cells = np.floor((angles + np.pi) * (self.bins / (2 * np.pi))).astype(np.intp) % self.bins
        return {"counts": np.bincount(cells, minlength=self.bins).astype(np.float64)}

    def value(self, statistics: Statistics) -> dict[str, float]:
        """``between`` the counts with their pseudo-counts."""
        expected, found = (np.asarray(part["counts"]) for part in (statistics.reference, statistics.prediction))
        return {self.id: self.between(expected + PSEUDO_COUNT, found + PSEUDO_COUNT)}

    @abstractmethod
    def between(self, expected: NDArray[np.float64], found: NDArray[np.float64]) -> float:
        """The distance of two histograms (bins,)."""


@dataclass(frozen=True)
class JensenShannon(Binned):
    """Square root of the Jensen-Shannon divergence, as of torsions."""

    bins: int = 36
    id: ClassVar[str] = "JSD"
    scores: ClassVar[tuple[Score, ...]] = (Score("JSD", "", True, "Jensen-Shannon distance"),)

    def between(self, expected: NDArray[np.float64], found: NDArray[np.float64]) -> float:
        """The distance."""
        return jensen_shannon(expected, found)


@dataclass(frozen=True)
class FreeEnergy(Binned):
    """Root mean square difference of free energies over all bins, after the mean difference is taken off."""

    bins: int = 50
    id: ClassVar[str] = "FES"
    scores: ClassVar[tuple[Score, ...]] = (Score("FES", "kT", True, "rms difference of free energies"),)

    def between(self, expected: NDArray[np.float64], found: NDArray[np.float64]) -> float:
        """The distance, kT."""
        difference = np.log(expected) - np.log(found)
        offset = (expected * difference).sum() / expected.sum()
        return float(np.sqrt(np.mean((difference - offset) ** 2)))


@dataclass(frozen=True)
class ChainTimescales(Known):
    """Mean |ln(t^ / t)| of a Markov chain whose states are the coordinate, at a lag of one frame."""

    states: int
    id: ClassVar[str] = "timescales"
    scores: ClassVar[tuple[Score, ...]] = (Score("timescales", "", True, "mean log error of timescales"),)

    @property
    def lead(self) -> int:
        """One frame."""
        return 1

    def describe(self, frames: Frames) -> dict[str, Additive]:
        """Transition counts (states, states)."""
        earlier, later = lagged(values_of(frames).astype(np.intp), frames.lead, 1)
        counts = np.bincount(earlier * self.states + later, minlength=self.states**2).astype(np.float64)
        return {"transitions": counts.reshape(self.states, self.states)}

    def value(self, statistics: Statistics) -> dict[str, float]:
        """The error."""
        sides = (statistics.prediction, statistics.reference)
        found, expected = (floored_timescales(side["transitions"], 1.0, self.states - 1)[0] for side in sides)
        return {self.id: float(np.abs(np.log(found / expected)).mean())}
