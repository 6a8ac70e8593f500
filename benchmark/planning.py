"""Which rows are to be run, and how."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from backmapbench import provenance
from backmapbench.controls import CONTROLS
from backmapbench.errors import RecordError, SubmissionError
from backmapbench.fingerprints import model_files
from backmapbench.submissions import Backmapper, ModelInfo
from backmapbench.submissions.predictions import PredictionFolder
from backmapbench.submissions.registry import installed_models, load_model
from backmapbench.tasks import Task

PROTOCOL_CONTROLS = ("bead-centre", "lookup")
"""Control rows of the metric definitions that enter by the common door."""
DIGITS = 8
"""Of the hash by which a row is told from the installed model of the same name."""


@dataclass(frozen=True)
class Row:
    """A row to be run: one model or control with one seed.

    Attributes:
        task: name of the task.
        name: of the row, by which its records are found; see ``plan``.
        info: what the model says of itself.
        kind: "control" or "model".
        origin: where the model comes from.
        seed: of the model.
        model: None for controls that the harness makes.
        code: hash of the model's own files, "" for those controls.
    """

    task: str
    name: str
    info: ModelInfo
    kind: str
    origin: str
    seed: int
    model: Backmapper | None
    code: str = ""


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

    A row is called what its model calls itself. A model from a file or folder that has the name of an installed one,
    as all have that were trained here, gets digits of its own hash behind it: "temporal-cvae+1a2b3c4d".

    Raises UnknownNameError for a name that is no control and no model, SubmissionError for one that does not load and
    for two rows of one name, whose records would replace each other.
    """
    installed = {entry.name for entry in installed_models()}
    rows: list[Row] = []
    given: dict[str, str] = {}
    for name in names:
        found = _rows(task, name, seeds, installed)
        if found and found[0].name in given:
            raise _twice(given[found[0].name], name, found[0].name)
        given |= {row.name: name for row in found}
        rows += found
    return rows


def _rows(task: Task, name: str, seeds: list[int], installed: set[str]) -> list[Row]:
    """Rows of one control or model; none of a control for which the task lacks data."""
    if name in CONTROLS:
        control = Row(task.card.name, name, CONTROLS[name].info, "control", "harness", seeds[0], None)
        return [control] if CONTROLS[name].present(task) else []
    model, origin = load_model(name)
    if isinstance(model, PredictionFolder) and model.task != task.card.name:
        raise SubmissionError(f"{name}: its prediction.toml is for task '{model.task}', not '{task.card.name}'")
    path = _own(name, model)
    called = _row_name(name, model.info.name, path, installed)
    kind = "control" if name in PROTOCOL_CONTROLS and path is None else "model"
    code = provenance.hash_files(model_files(model))
    rows = []
    for seed in seeds[:1] if model.info.deterministic else seeds:
        fresh, _ = load_model(name)  # an instance of its own: nothing learned with one seed leaks into another
        rows.append(Row(task.card.name, called, model.info, kind, origin, seed, fresh, code))
    return rows


def _own(name: str, model: Backmapper) -> Path | None:
    """The file or folder that was given as ``name``; None for an installed model."""
    if isinstance(model, PredictionFolder):
        return model.folder
    path = name.rpartition(":")[0]
    return Path(path) if path.endswith(".py") else None


def _row_name(name: str, called: str, own: Path | None, installed: set[str]) -> str:
    """What the row is called of the model that was asked for as ``name`` and calls itself ``called``."""
    taken = called in CONTROLS or (called in PROTOCOL_CONTROLS and called != name)
    if taken or (own is None and called in installed - {name}) or called in ("", ".", "..") or "/" in called:
        raise SubmissionError(f"model '{name}' calls itself '{called}': taken or no row name; change info.name")
    if own is None or called not in installed:
        return called
    return f"{called}+{provenance.hash_files([own])[:DIGITS]}"


def _twice(first: str, second: str, called: str) -> SubmissionError:
    if first == second:
        return SubmissionError(f"model '{first}' is given twice; give it once")
    return SubmissionError(
        f"models '{first}' and '{second}' are both called '{called}', so that the record of one would replace the "
        "other's; change info.name of one of them or run one alone"
    )
