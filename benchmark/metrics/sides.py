"""Metrics that describe reference and prediction each on its own, and those of them that count transitions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

from backmapbench.metrics.base import Additive, Metric, Statistics
from backmapbench.metrics.frames import Frames
from backmapbench.metrics.kinetics import StateSpace


class SideBySide(Metric):
    """A metric whose statistics are those of either side alone: no frame is paired with another side's."""

    def statistics(self, reference: Frames, prediction: Frames) -> Statistics:
        """``describe`` of each side."""
        return Statistics(reference=self.describe(reference), prediction=self.describe(prediction))

    @abstractmethod
    def describe(self, frames: Frames) -> Mapping[str, Additive]:
        """Additive statistics of one chunk of one side."""


class OnStates(SideBySide):
    """A metric of a Markov model on the task's states."""

    space: StateSpace

    @property
    def lead(self) -> int:
        """Transitions into a chunk's first frames, at every lag that some metric counts."""
        return self.space.lead
