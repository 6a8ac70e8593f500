"""Which rows are to be run, and how."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from backmapbench.controls import CONTROLS
from backmapbench.errors import RecordError, SubmissionError
from backmapbench.submissions import Backmapper, ModelInfo
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
