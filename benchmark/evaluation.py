"""Scoring one prediction: block statistics, scores, intervals."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from backmapbench.bootstrap import Stacked, draw_weights, replicate_scores
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.intervals import interval
from backmapbench.metrics import Frames, Metric, Statistics
from backmapbench.records import MetricEntry, ScoreEntry
from backmapbench.tasks import Task

logger = logging.getLogger(__name__)
CHUNK_FRAMES = 2000


@dataclass(frozen=True)
class Evaluation:
    """Scores of one row with what is needed to compare them with other rows later."""

    metrics: dict[str, MetricEntry]
    scores: dict[str, ScoreEntry]
    replicates: dict[str, NDArray[np.float64]]
    statistics: dict[str, Stacked] = field(repr=False)


class Evaluator:
    """Scores predictions of one task; the reference is read and described once for all rows."""

    def __init__(self, task: Task, metrics: list[str] | None = None, chunk_frames: int = CHUNK_FRAMES) -> None:
        self.task = task
        self.metrics = task.metrics(metrics)
        self.reference = task.atoms(task.card.splits.scored)
        self.chunk_frames = chunk_frames
        self._frames = _Chunks(self.reference.positions[None], self.reference, chunk_frames)

    def evaluate(
        self,
        prediction: NDArray[np.float32],
        paired: bool = True,
        boundaries: Trajectories | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> Evaluation:
        """Score ``prediction`` (samples, frames, atoms, 3), nm.

        ``paired`` False: frames are not those of the reference; ``boundaries`` then gives their trajectories.
        ``progress`` is called with each metric's id before it is computed.
        """
        chunks = _Chunks(prediction, boundaries or self.reference, self.chunk_frames)
        settings = self.task.card.uncertainty
        blocks = len(self.reference.lengths)
        weights = draw_weights(blocks, settings.replicates, settings.seed, paired)
        entries: dict[str, MetricEntry] = {}
        scores: dict[str, ScoreEntry] = {}
        replicates: dict[str, NDArray[np.float64]] = {}
        statistics: dict[str, Stacked] = {}
        for metric in self.metrics:
            if progress is not None:
                progress(metric.id)
            if metric.paired and not paired:
                reason = "frames are not those of the reference"
                entries[metric.id] = MetricEntry(version=metric.version, status="no pair", reason=reason)
                continue
            try:
                stacked = Stacked.of([self._block(metric, chunks, block) for block in range(blocks)])
                values, samples = replicate_scores(metric, stacked, weights)
            except Exception as error:  # a metric that cannot be computed is a failure of this row, with its reason
                logger.debug("metric %s failed", metric.id, exc_info=True)
                reason = f"{type(error).__name__}: {error}"
                entries[metric.id] = MetricEntry(version=metric.version, status="failed", reason=reason)
                continue
            undefined = not np.isfinite(values[metric.id])
            entries[metric.id] = MetricEntry(
                version=metric.version,
                status="failed" if undefined else "ok",
                reason="the score is undefined for this prediction" if undefined else "",
            )
            statistics[metric.id] = stacked
            replicates |= samples
            scores |= _entries(metric, values, samples, settings.confidence)
        return Evaluation(entries, scores, replicates, statistics)

    def _block(self, metric: Metric, chunks: _Chunks, block: int) -> Statistics:
        pairs = zip(self._frames.of(block, metric.lead), chunks.of(block, metric.lead), strict=True)
        total: Statistics | None = None
        for reference, prediction in pairs:
            found = metric.statistics(reference, prediction)
            total = found if total is None else total + found
        if total is None:
            raise ValueError(f"block {block} has no frames")
        return total


class _Chunks:
    """Frames of each trajectory in chunks; intermediate results stay cached between metrics and rows."""

    def __init__(self, xyz: NDArray[np.float32], boundaries: Trajectories, chunk_frames: int) -> None:
        self.xyz, self.slices, self.chunk_frames = xyz, boundaries.slices, chunk_frames
        self._made: dict[tuple[int, int], Frames] = {}

    def of(self, block: int, lead: int) -> list[Frames]:
        """Chunks of one trajectory, each with up to ``lead`` frames of the one before."""
        whole = self.slices[block]
        return [self._chunk(whole, start, lead) for start in range(whole.start, whole.stop, self.chunk_frames)]

    def _chunk(self, whole: slice, start: int, lead: int) -> Frames:
        before = min(lead, start - whole.start)
        key = (start, before)
        if key not in self._made:
            stop = min(start + self.chunk_frames, whole.stop)
            self._made[key] = Frames(self.xyz[:, start - before : stop], before)
        return self._made[key]


def _entries(
    metric: Metric, values: dict[str, float], replicates: dict[str, NDArray[np.float64]], confidence: float
) -> dict[str, ScoreEntry]:
    entries = {}
    for score in metric.scores:
        value = values[score.id]
        distance = metric.distance and score.ranked
        low, high = interval(value, replicates[score.id], confidence, distance)
        entries[score.id] = ScoreEntry(
            metric=metric.id,
            unit=score.unit,
            ranked=score.ranked,
            distance=distance,
            summary=score.summary,
            value=_finite(value),
            low=_finite(low),
            high=_finite(high),
        )
    return entries


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
