"""Running rows: backmap, check, score, write a record; skip what a finished record already holds."""

from __future__ import annotations

import hashlib
import inspect
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backmapbench import provenance
from backmapbench.controls import CONTROLS
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import RecordError, SubmissionError, UnsupportedTaskError
from backmapbench.evaluation import Evaluation, Evaluator
from backmapbench.records import (
    SCHEMA_VERSION,
    Cost,
    ModelEntry,
    Record,
    read_record,
    record_path,
    write_record,
)
from backmapbench.sampling import SampledFrames, with_spread
from backmapbench.submissions import Backmapper, ModelInfo, TrainableBackmapper
from backmapbench.submissions.checks import check_prediction
from backmapbench.submissions.predictions import PredictionFolder
from backmapbench.submissions.registry import load_model
from backmapbench.tasks import Task

PROTOCOL_CONTROLS = ("bead-centre", "lookup")
"""Control rows of the metric definitions that enter by the common door."""


@dataclass(frozen=True)
class Row:
    """A row to be run: one model or control with one seed."""

    task: str
    name: str
    info: ModelInfo
    kind: str
    origin: str
    seed: int
    model: Backmapper | None


@dataclass(frozen=True)
class Settings:
    """How rows are run.

    Attributes:
        folder: where records go.
        resume: keep records that fit and run only the rest.
        samples: samples per frame that models are asked for.
        chunk_frames: frames scored at a time.
        skip_unsupported: leave out models that say they are not made for the task, instead of stopping.
    """

    folder: Path
    resume: bool = False
    samples: int = 1
    chunk_frames: int = 2000
    skip_unsupported: bool = False


def prepare_folder(settings: Settings) -> None:
    """Raises RecordError when the output folder is a file, or holds records and ``resume`` was not asked for."""
    folder = settings.folder
    if folder.exists() and not folder.is_dir():
        raise RecordError(f"{folder}: is a file; give a folder for the records")
    if not settings.resume and folder.is_dir() and any(folder.glob("*/*/seed-*.json")):
        raise RecordError(
            f"{folder}: holds records already; add --resume to keep those that fit, or give another folder"
        )


def plan(task: Task, names: list[str], seeds: list[int]) -> list[Row]:
    """One row per name and seed; controls and deterministic models get the first seed alone.

    Raises UnknownNameError for a name that is no control and no model, SubmissionError for one that does not load.
    """
    rows = []
    for name in names:
        if name in CONTROLS and not CONTROLS[name].present(task):
            continue
        if name in CONTROLS:
            rows.append(Row(task.card.name, name, CONTROLS[name].info, "control", "harness", seeds[0], None))
            continue
        model, origin = load_model(name)
        if isinstance(model, PredictionFolder) and model.task != task.card.name:
            raise SubmissionError(f"{name}: its prediction.toml is for task '{model.task}', not '{task.card.name}'")
        taken = model.info.name in CONTROLS or (model.info.name in PROTOCOL_CONTROLS and model.info.name != name)
        if taken or not model.info.name or "/" in model.info.name:
            raise SubmissionError(
                f"model '{name}' calls itself '{model.info.name}': taken or no row name; change info.name"
            )
        kind = "control" if name in PROTOCOL_CONTROLS else "model"
        for seed in seeds[:1] if model.info.deterministic else seeds:
            fresh, _ = load_model(name)  # an instance of its own: nothing learned with one seed leaks into another
            rows.append(Row(task.card.name, model.info.name, model.info, kind, origin, seed, fresh))
    return rows


def run_rows(
    task: Task,
    rows: list[Row],
    settings: Settings,
    notify: Callable[[Row, str], None] | None = None,
) -> list[Record]:
    """Run every row in turn; ``notify(row, stage)`` tells what is being done ("resumed" for one that was kept).

    Raises SubmissionError for output that cannot be scored; records of earlier rows stay.
    """
    tell = notify or (lambda _row, _stage: None)
    evaluator: Evaluator | None = None
    sampled = SampledFrames(task, settings.chunk_frames)
    records = []
    code = provenance.scoring_code_hash()
    for row in rows:
        path = record_path(settings.folder, row.task, row.name, row.seed)
        key = _key(task, row, settings, code)
        if settings.resume and path.is_file():
            found = read_record(path)
            if found.key == key:
                tell(row, "resumed")
                records.append(found)
                continue
        if evaluator is None:
            tell(row, "reading the reference")
            evaluator = Evaluator(task, chunk_frames=settings.chunk_frames)
        try:
            records.append(_run(task, evaluator, sampled, row, settings, key, path, tell))
        except UnsupportedTaskError as error:
            if not settings.skip_unsupported:
                raise
            tell(row, f"left out: {error}")
    return records


def _run(
    task: Task,
    evaluator: Evaluator,
    sampled: SampledFrames,
    row: Row,
    settings: Settings,
    key: str,
    path: Path,
    tell: Callable[[Row, str], None],
) -> Record:
    memory = provenance.PeakMemory()
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
        device="cpu",
    )
    record = _record(task, row, key, prediction, evaluation, cost, started)
    statistics = {name: stacked.parts for name, stacked in evaluation.statistics.items()}
    return write_record(path, record, statistics, evaluation.replicates)


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
    key: str,
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
        key=key,
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


def _key(task: Task, row: Row, settings: Settings, code: str) -> str:
    """Hash of what a record's scores depend on."""
    content = {
        "schema": SCHEMA_VERSION,
        "task": task.card.model_dump(mode="json"),
        "data": task.dataset.hashes,
        "versions": provenance.versions(),
        "code": code,
        "model": _model_hash(row.model) if row.model is not None else row.name,
        "seed": row.seed,
        "samples": settings.samples,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _model_hash(model: Backmapper) -> str:
    """Hash of a model's own files: its folder when it lies in a package, else its file, else its predictions."""
    if isinstance(model, PredictionFolder):
        return provenance.hash_files([model.folder])
    source = Path(inspect.getfile(type(model)))
    return provenance.hash_files([source.parent if (source.parent / "__init__.py").is_file() else source])
