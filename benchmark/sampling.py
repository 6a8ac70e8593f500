"""Metrics of spread on few scored frames: all rows draw their samples at the same ones, those of conditional MD.

A metric that needs several samples of a frame (energy score, calibration, diversity) would cost as many times as much
on the whole split. So it is evaluated at some hundred frames spread over it. A backmapper that works on trajectories
is given each of these frames with a few before and after it, as a short trajectory; the frame alone is scored.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from backmapbench.conditional import has_conditional, load_conditional, spread_frames
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.evaluation import Evaluation, Evaluator
from backmapbench.metrics import metric_class
from backmapbench.records import MetricEntry
from backmapbench.tasks import Task


@dataclass(frozen=True, eq=False)
class Windows:
    """What a backmapper is given to draw samples from.

    Attributes:
        beads: one short trajectory for each frame.
        wanted: where the frames to be scored are among them, (frames,).
    """

    beads: Trajectories
    wanted: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class SampledFrames:
    """The frames of a task at which samples are drawn and scored; reference and metrics are prepared once."""

    task: Task
    chunk_frames: int

    @property
    def samples(self) -> int:
        """How many samples are drawn of each."""
        return self.task.card.sampling.samples

    @property
    def metrics(self) -> list[str]:
        """The task's metrics that need several samples."""
        return [name for name in self.task.card.metrics if metric_class(name).minimum_samples > 1]

    @cached_property
    def frames(self) -> NDArray[np.intp]:
        """Indices in the scored split: those of conditional MD where the dataset carries it."""
        if has_conditional(self.task):
            return load_conditional(self.task).frames
        total = len(self.task.atoms(self.task.card.splits.scored))
        return spread_frames(total, min(total, self.task.card.sampling.frames))

    @cached_property
    def windows(self) -> Windows:
        """Beads of the frames, on temporal tasks with their neighbours in time."""
        beads = self.task.beads(self.task.card.splits.scored)
        context = self.task.card.sampling.context if self.task.temporal else 0
        ends = np.cumsum(beads.lengths)
        owner = np.searchsorted(ends, self.frames, side="right")
        first = np.maximum(self.frames - context, ends[owner] - np.array(beads.lengths)[owner])
        last = np.minimum(self.frames + context + 1, ends[owner])
        lengths = last - first
        index = np.concatenate([np.arange(a, b) for a, b in zip(first, last, strict=True)])
        wanted = np.cumsum(lengths) - lengths + self.frames - first
        chosen = np.ascontiguousarray(beads.positions[index])
        return Windows(Trajectories(chosen, tuple(int(n) for n in lengths), beads.frame_ps), wanted)

    def spread(self, samples: NDArray[np.float32]) -> Evaluation:
        """Metrics of spread of ``samples`` (samples, frames, atoms, 3), nm, at these frames."""
        return self._spread.evaluate(samples)

    def conditional(self, samples: NDArray[np.float32]) -> Evaluation:
        """All that can be said of a row that has these frames alone; the rest is not applicable and says why."""
        found = self._paired.evaluate(samples)
        reason = f"the row has {samples.shape[1]} scattered frames: too few for an ensemble and no time series"
        for name in self.task.card.metrics:
            if name not in found.metrics:
                entry = MetricEntry(version=metric_class(name).version, status="not applicable", reason=reason)
                found.metrics[name] = entry
        return found

    @cached_property
    def _spread(self) -> Evaluator:
        return Evaluator(self.task, self.metrics, self.chunk_frames, self.frames)

    @cached_property
    def _paired(self) -> Evaluator:
        names = [name for name in self.task.card.metrics if metric_class(name).paired]
        return Evaluator(self.task, [*names, *self.metrics], self.chunk_frames, self.frames)


def with_spread(whole: Evaluation, spread: Evaluation) -> Evaluation:
    """An evaluation of all frames with the metrics of spread put in."""
    return Evaluation(
        whole.metrics | spread.metrics,
        whole.scores | spread.scores,
        whole.replicates | spread.replicates,
        whole.statistics | spread.statistics,
        whole.blocks,
    )
