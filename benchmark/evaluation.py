"""Scoring one prediction: block statistics, scores, intervals."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from backmapbench.blocks import BlockPlan, Segment
from backmapbench.bootstrap import Stacked, draw_weights, replicate_scores, stack
from backmapbench.correlation import task_block_frames
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.intervals import interval
from backmapbench.metrics import Frames, Metric, Statistics, metric_class
from backmapbench.metrics.base import Additive
from backmapbench.records import MetricEntry, ScoreEntry
from backmapbench.tasks import Task

logger = logging.getLogger(__name__)
CHUNK_FRAMES = 2000


@dataclass(frozen=True)
class Evaluation:
    """Scores of one row with what is needed to compare them with other rows later.

    Attributes:
        metrics: how each metric fared.
        scores: values with intervals by score id.
        replicates: bootstrap replicates (replicates,) by score id.
        statistics: statistics of every piece of the data, by metric.
        blocks: independent blocks that the bootstrap resampled (of the side that has fewer).
    """

    metrics: dict[str, MetricEntry]
    scores: dict[str, ScoreEntry]
    replicates: dict[str, NDArray[np.float64]]
    statistics: dict[str, Stacked] = field(repr=False)
    blocks: int


class Evaluator:
    """Scores predictions of one task; the reference is read and described once for all rows.

    ``frames``: indices of the scored split's frames that predictions hold, where it is not all of them; what needs
    frames in time order then does not apply.
    """

    def __init__(
        self,
        task: Task,
        metrics: list[str] | None = None,
        chunk_frames: int = CHUNK_FRAMES,
        frames: NDArray[np.intp] | None = None,
    ) -> None:
        self.task = task
        self.metrics, self.not_applicable = task.fitted_metrics(metrics)
        self.reference = task.atoms(task.card.splits.scored)
        self.chunk_frames = chunk_frames
        self.block_frames = task_block_frames(task, self.reference)
        self.consecutive = frames is None
        if frames is not None:  # blocks cover the same time, in which there are fewer frames
            self.block_frames = max(1.0, self.block_frames * len(frames) / len(self.reference))
            self.reference = self.reference.pick(frames)
        self.plan = BlockPlan.of(self.reference.lengths, self.block_frames)
        self._frames = Chunks(self.reference.positions[None], self.plan, chunk_frames)
        self._described: dict[str, dict[str, Additive]] = {}

    def evaluate(
        self,
        prediction: NDArray[np.float32],
        paired: bool = True,
        boundaries: Trajectories | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> Evaluation:
        """Score ``prediction`` (samples, frames, atoms, 3), nm.

        ``paired`` False: frames are not those of the reference; ``boundaries`` then gives their trajectories, of which
        there may be any number. ``progress`` is called with each metric's id before it is computed.
        """
        plan = self.plan if paired else BlockPlan.of((boundaries or self.reference).lengths, self.block_frames)
        chunks = Chunks(prediction, plan, self.chunk_frames)
        settings = self.task.card.uncertainty
        weights = draw_weights(self.plan, None if paired else plan, settings.replicates, settings.seed)
        found = Evaluation({}, {}, {}, {}, min(self.plan.blocks, plan.blocks))
        for metric in self.metrics:
            if progress is not None:
                progress(metric.id)
            refusal = _refusal(metric, paired, len(prediction), self.consecutive)
            if refusal is not None:
                found.metrics[metric.id] = refusal
                continue
            try:
                stacked = self._paired(metric, chunks) if paired else self._unpaired(metric, chunks)
                with threadpool_limits(1):  # thousands of small systems of equations: threads only wait for each other
                    values, samples = replicate_scores(metric, stacked, weights)
            except Exception as error:  # a metric that cannot be computed is a failure of this row, with its reason
                logger.debug("metric %s failed", metric.id, exc_info=True)
                reason = f"{type(error).__name__}: {error}"
                found.metrics[metric.id] = MetricEntry(version=metric.version, status="failed", reason=reason)
                continue
            undefined = not np.isfinite(values[metric.id])
            found.metrics[metric.id] = MetricEntry(
                version=metric.version,
                status="failed" if undefined else "ok",
                reason="the score is undefined for this prediction" if undefined else "",
            )
            found.statistics[metric.id] = stacked
            found.replicates.update(samples)
            found.scores.update(_entries(metric, values, samples, settings.confidence, found.blocks))
        for name, reason in self.not_applicable.items():
            version = metric_class(name).version
            found.metrics[name] = MetricEntry(version=version, status="not applicable", reason=reason)
        return found

    def _paired(self, metric: Metric, chunks: Chunks) -> Stacked:
        """Statistics of every piece of a row whose frames are those of the reference."""
        stacked = Stacked.of(
            [
                _sum(metric.statistics(*pair) for pair in zip(*sides, strict=True))
                for sides in zip(self._frames.all(metric.lead), chunks.all(metric.lead), strict=True)
            ]
        )
        # What the reference's pieces are like is the same for every row; unpaired rows need not find out again.
        self._described.setdefault(metric.id, dict(stacked.parts["reference"]))
        return stacked

    def _unpaired(self, metric: Metric, chunks: Chunks) -> Stacked:
        """The same with pieces of each side on its own; a side's statistics depend on that side alone."""
        if metric.id not in self._described:
            self._described[metric.id] = _describe(metric, self._frames, "reference")
        parts = {"reference": self._described[metric.id], "prediction": _describe(metric, chunks, "prediction")}
        return Stacked({**parts, "paired": {}})


def _refusal(metric: Metric, paired: bool, samples: int, consecutive: bool) -> MetricEntry | None:
    """Why a row cannot have a metric at all, known before anything is computed; None if it can."""
    if metric.lead > 0 and not consecutive:
        reason = "needs frames in time order, the row has single ones"
        return MetricEntry(version=metric.version, status="not applicable", reason=reason)
    if metric.paired and not paired:
        reason = "frames are not those of the reference"
        return MetricEntry(version=metric.version, status="no pair", reason=reason)
    if samples < metric.minimum_samples:
        reason = f"needs at least {metric.minimum_samples} samples of every frame, the row has {samples}"
        return MetricEntry(version=metric.version, status="not applicable", reason=reason)
    return None


def _describe(metric: Metric, chunks: Chunks, part: str) -> dict[str, Additive]:
    return stack(
        [getattr(_sum(metric.statistics(chunk, chunk) for chunk in piece), part) for piece in chunks.all(metric.lead)]
    )


def _sum(found: Iterable[Statistics]) -> Statistics:
    return reduce(add, found)


class Chunks:
    """Frames of each piece in chunks; intermediate results stay cached between metrics and rows.

    ``xyz``: float32 (samples, frames, atoms, 3), nm, cut as ``plan`` says and then every ``chunk_frames`` frames.
    """

    def __init__(self, xyz: NDArray[np.float32], plan: BlockPlan, chunk_frames: int) -> None:
        self.xyz, self.plan, self.chunk_frames = xyz, plan, chunk_frames
        self._made: dict[tuple[int, int], Frames] = {}

    def all(self, lead: int) -> Iterator[list[Frames]]:
        """Chunks of each piece in turn, each with up to ``lead`` frames of its trajectory before it."""
        for piece in self.plan.pieces:
            yield [
                self._chunk(segment, start, lead)
                for segment in piece
                for start in range(segment.start, segment.stop, self.chunk_frames)
            ]

    def _chunk(self, segment: Segment, start: int, lead: int) -> Frames:
        before = min(lead, start - segment.first)
        key = (start, before)
        if key not in self._made:
            stop = min(start + self.chunk_frames, segment.stop)
            self._made[key] = Frames(self.xyz[:, start - before : stop], before)
        return self._made[key]


def _entries(
    metric: Metric,
    values: dict[str, float],
    replicates: dict[str, NDArray[np.float64]],
    confidence: float,
    blocks: int,
) -> dict[str, ScoreEntry]:
    entries = {}
    for score in metric.scores:
        value = values[score.id]
        # An error between two ensembles is 0 at the truth and noise can only raise it, whether it is a distance between
        # distributions or an absolute difference of shares or logarithms.
        distance = score.ranked and (metric.distance or not metric.paired)
        low, high = interval(value, replicates[score.id], confidence, distance, blocks)
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
