"""Running rows: backmap, check, score, write a record; skip what a finished record already holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backmapbench import provenance
from backmapbench.controls import CONTROLS
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import SubmissionError, UnsupportedTaskError
from backmapbench.evaluation import Evaluation, Evaluator
from backmapbench.fingerprints import fingerprint, record_key
from backmapbench.planning import Row, Settings
from backmapbench.records import (
    SCHEMA_VERSION,
    STALE,
    BlockStatistics,
    Cost,
    ModelEntry,
    Record,
    read_record,
    record_path,
    set_aside,
    write_record,
)
from backmapbench.sampling import SampledFrames, with_spread
from backmapbench.submissions import TrainableBackmapper
from backmapbench.submissions.checks import check_prediction
from backmapbench.submissions.predictions import PredictionFolder
from backmapbench.tasks import Task


def run_rows(
    task: Task,
    rows: list[Row],
    settings: Settings,
    notify: Callable[[Row, str], None] | None = None,
) -> list[Record]:
    """Run every row in turn; ``notify(row, stage)`` tells what is being done ("resumed" for one that was kept).

    Records of a row's other seeds that no longer fit are set aside, since boards pool the seeds of a row. Raises
    SubmissionError for output that cannot be scored; records of earlier rows stay.
    """
    tell = notify or (lambda _row, _stage: None)
    evaluator: Evaluator | None = None
    sampled = SampledFrames(task, settings.chunk_frames)
    records = []
    code = provenance.scoring_code_hash()
    for row in rows:
        path = record_path(settings.folder, row.task, row.name, row.seed)
        made = fingerprint(task, row, settings, code)
        if settings.resume and path.is_file():
            found = read_record(path)
            if found.key == record_key(made, row.seed):
                _set_aside(path, made, row, rows, tell)
                tell(row, "resumed")
                records.append(found)
                continue
        if evaluator is None:
            tell(row, "reading the reference")
            evaluator = Evaluator(task, chunk_frames=settings.chunk_frames)
        try:
            record, statistics, replicates = _run(task, evaluator, sampled, row, settings, made, tell)
        except UnsupportedTaskError as error:
            if not settings.skip_unsupported:
                raise
            tell(row, f"left out: {error}")
            continue
        _set_aside(path, made, row, rows, tell)
        records.append(write_record(path, record, statistics, replicates))
    return records


def _set_aside(path: Path, made: str, row: Row, rows: list[Row], tell: Callable[[Row, str], None]) -> None:
    """Set stale seeds of the row aside, and tell of those that ``rows`` will not replace."""
    again = {other.seed for other in rows if other.name == row.name}
    gone = [seed for seed in set_aside(path, made) if seed not in again]
    if gone:
        seeds = ", ".join(map(str, gone))
        tell(
            row,
            f"set aside: records of seeds {seeds} are of an older model, task or scoring code and lie in "
            f"{path.parent / STALE} now; run with --seeds {max(gone) + 1} for new ones",
        )


def _run(
    task: Task,
    evaluator: Evaluator,
    sampled: SampledFrames,
    row: Row,
    settings: Settings,
    made: str,
    tell: Callable[[Row, str], None],
) -> tuple[Record, BlockStatistics, dict[str, NDArray[np.float64]]]:
    """A row's record with block statistics and replicates to be written beside it."""
    memory, allocations = provenance.PeakMemory(), provenance.allocations()
    started = datetime.now(UTC)
    control = CONTROLS.get(row.name) if row.model is None else None
    samples = 1 if control is not None else settings.samples
    began = time.perf_counter()
    if control is not None:
        tell(row, "making the control")
        prediction, fit_seconds = control.make(task, row.seed), 0.0
    else:
        prediction, fit_seconds = _backmap(task, row, samples, tell)
    backmap_seconds = time.perf_counter() - began - fit_seconds
    peak = memory.megabytes()
    drawn = _draw(task, row, sampled, prediction, tell) if control is None else None
    device = provenance.accelerators(allocations)
    paired = control is None or control.paired
    boundaries = None if paired else task.fresh()
    began = time.perf_counter()
    if control is not None and control.sampled:
        tell(row, "scoring sampled frames")
        evaluation = sampled.conditional(prediction)
    else:
        evaluation = evaluator.evaluate(prediction, paired, boundaries, lambda metric: tell(row, f"scoring {metric}"))
    if drawn is not None:
        tell(row, "scoring spread")
        evaluation = with_spread(evaluation, sampled.spread(drawn))
    cost = Cost(
        fit_seconds=fit_seconds,
        backmap_seconds=backmap_seconds,
        seconds_per_frame=backmap_seconds / (prediction.shape[0] * prediction.shape[1]),
        score_seconds=time.perf_counter() - began,
        peak_memory_MB=peak,
        device=device,
    )
    record = _record(task, row, made, prediction, evaluation, cost, started)
    statistics = {name: stacked.parts for name, stacked in evaluation.statistics.items()}
    return record, statistics, evaluation.replicates


def _backmap(task: Task, row: Row, samples: int, tell: Callable[[Row, str], None]) -> tuple[NDArray[np.float32], float]:
    """Coordinates from a model and the seconds its fit took. Of the scored split it is given beads alone."""
    training = task.training_set()
    fit_seconds = 0.0
    if isinstance(row.model, TrainableBackmapper):
        tell(row, "fitting")
        began = time.perf_counter()
        with _blamed(row):
            row.model.fit(task.system, training, row.seed)
        fit_seconds = time.perf_counter() - began
    tell(row, "backmapping")
    beads = task.beads(task.card.splits.scored)
    return _ask(task, row, beads, samples), fit_seconds


def _draw(
    task: Task,
    row: Row,
    sampled: SampledFrames,
    prediction: NDArray[np.float32],
    tell: Callable[[Row, str], None],
) -> NDArray[np.float32] | None:
    """Samples of the sampled frames (samples, frames, atoms, 3), nm, from a model that was fitted.

    Predictions made elsewhere hold the samples they hold: None where they are too few. None also on a task without
    metrics of spread.
    """
    if not sampled.metrics:
        return None
    if isinstance(row.model, PredictionFolder):
        return prediction[:, sampled.frames] if len(prediction) >= sampled.samples else None
    if row.info.deterministic:  # it would give the same frames again, sample after sample
        return np.repeat(prediction[:1, sampled.frames], sampled.samples, axis=0)
    tell(row, f"drawing {sampled.samples} samples of {len(sampled.frames)} frames")
    windows = sampled.windows
    return _ask(task, row, windows.beads, sampled.samples)[:, windows.wanted]


def _ask(task: Task, row: Row, beads: Trajectories, samples: int) -> NDArray[np.float32]:
    """Coordinates of a row's model for ``beads``, checked."""
    if row.model is None:
        raise SubmissionError(f"row '{row.name}' has no model")
    train = task.atoms(task.card.splits.train).positions
    with _blamed(row):
        prediction = row.model.backmap(task.system, beads, samples, row.seed)
    typical = train[:: max(1, len(train) // 200)]
    return check_prediction(row.name, prediction, task.system, len(beads), samples, typical)


@contextmanager
def _blamed(row: Row) -> Iterator[None]:
    """Whatever a model raises is a SubmissionError that names it."""
    try:
        yield
    except (SubmissionError, KeyboardInterrupt):
        raise
    except Exception as error:
        raise SubmissionError(f"model '{row.name}' raised {type(error).__name__}: {error}") from error


def _record(
    task: Task,
    row: Row,
    made: str,
    prediction: NDArray[np.float32],
    evaluation: Evaluation,
    cost: Cost,
    started: datetime,
) -> Record:
    card = task.dataset.card
    info = row.info
    return Record(
        schema_version=SCHEMA_VERSION,
        task=task.card.name,
        task_version=task.card.version,
        key=record_key(made, row.seed),
        fingerprint=made,
        model=ModelEntry(
            name=row.name,
            kind="control" if row.kind == "control" else "model",
            description=info.description,
            looks_ahead=info.looks_ahead,
            citation=info.citation,
            licence=info.licence,
            origin=row.origin,
        ),
        seed=row.seed,
        samples=prediction.shape[0],
        blocks=evaluation.blocks,
        frames=prediction.shape[1],
        replicates=task.card.uncertainty.replicates,
        metrics=evaluation.metrics,
        scores=evaluation.scores,
        cost=cost,
        provenance={
            "git_commit": provenance.git_commit(),
            "versions": provenance.versions(),
            "hardware": provenance.hardware(),
            "dataset": {"name": card.name, "version": card.version, "hashes": task.dataset.hashes},
            "started": started.isoformat(timespec="seconds"),
            "wall_seconds": round((datetime.now(UTC) - started).total_seconds(), 2),
        },
        statistics_sha256="",
    )
