"""Records: one JSON per (task, model, seed) beside an ``.npz`` with its block statistics; written atomically."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from scipy import sparse

from backmapbench.datasets.catalogue import explain
from backmapbench.errors import RecordError
from backmapbench.files import atomic_write, sha256
from backmapbench.metrics.base import PARTS, Additive

SCHEMA_VERSION = 1
STALE = "stale"
"""Folder beside a row's records where those lie that no longer fit them."""
BlockStatistics: TypeAlias = Mapping[str, Mapping[str, Mapping[str, Additive]]]
"""metric -> part -> name -> array (blocks, ...) or sparse (blocks, K)."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelEntry(_Strict):
    """The row: who made the prediction."""

    name: str
    kind: Literal["control", "model"]
    description: str
    looks_ahead: bool
    citation: str = ""
    licence: str = ""
    origin: str = Field(description="registry, entry point, file or prediction folder")


class MetricEntry(_Strict):
    """How one metric fared."""

    version: int
    status: Literal["ok", "failed", "no pair", "not applicable"]
    reason: str = ""


class ScoreEntry(_Strict):
    """One score with its confidence interval; ``value`` is None where it failed or is undefined."""

    metric: str
    unit: str
    ranked: bool
    distance: bool
    summary: str
    value: float | None
    low: float | None
    high: float | None


class Cost(_Strict):
    """What the row took. Controls made by the harness cost nothing worth reporting."""

    fit_seconds: float
    backmap_seconds: float
    seconds_per_frame: float
    score_seconds: float
    peak_memory_MB: float
    device: str


class Record(_Strict):
    """Everything the board needs of one row and seed."""

    schema_version: int
    task: str
    task_version: int
    key: str = Field(description="hash of all that the scores depend on; a run resumes from records whose key fits")
    fingerprint: str = Field("", description="hash of the same without the seed, one for all seeds of a row")
    model: ModelEntry
    seed: int
    samples: int
    blocks: int = Field(description="independent pieces that the bootstrap resamples")
    frames: int
    replicates: int
    metrics: dict[str, MetricEntry]
    scores: dict[str, ScoreEntry]
    cost: Cost
    provenance: dict[str, Any]
    statistics_sha256: str


def record_path(folder: Path, task: str, model: str, seed: int) -> Path:
    """Where the record of one row and seed lies in an output folder."""
    return folder / task / model / f"seed-{seed}.json"


def set_aside(path: Path, fingerprint: str) -> list[int]:
    """Move records of other seeds beside the one at ``path`` that have another fingerprint to the folder ``stale``.

    A board pools all seeds of a row, so that those of an older model or older code may not stay beside new ones.
    Returns the seeds. Raises RecordError for a damaged record.
    """
    moved = []
    for other in sorted(path.parent.glob("seed-*.json")):
        if other == path:
            continue
        record = read_record(other)
        if record.fingerprint == fingerprint:
            continue
        target = path.parent / STALE / other.name
        target.parent.mkdir(exist_ok=True)
        other.rename(target)  # first: interrupted here, statistics without a record are left, which nobody reads
        other.with_suffix(".npz").rename(target.with_suffix(".npz"))
        moved.append(record.seed)
    return moved


def write_record(
    path: Path, record: Record, statistics: BlockStatistics, replicates: Mapping[str, NDArray[np.float64]]
) -> Record:
    """Write ``path`` and the ``.npz`` beside it; the JSON comes last, so a record that exists is whole."""
    arrays: dict[str, NDArray[Any]] = {f"replicates|{name}": values for name, values in replicates.items()}
    for metric, parts in statistics.items():
        for part, entries in parts.items():
            for name, value in entries.items():
                arrays |= _flatten(f"{metric}|{part}|{name}", value)
    target = path.with_suffix(".npz")
    with atomic_write(target) as handle:
        np.savez_compressed(handle, allow_pickle=False, **arrays)
    record = record.model_copy(update={"statistics_sha256": sha256(target)})
    with atomic_write(path, "w") as handle:
        handle.write(json.dumps(record.model_dump(), indent=1, allow_nan=False))
    return record


def read_record(path: Path) -> Record:
    """Read and check a record. Raises RecordError for damage or another schema version."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(f"{path}: not a readable record ({error}); delete it and run again") from error
    found = content.get("schema_version") if isinstance(content, dict) else None
    if found != SCHEMA_VERSION:
        raise RecordError(
            f"{path}: record schema version {found}, this version of backmapbench reads {SCHEMA_VERSION}; "
            "use another output folder or delete the record and run again"
        )
    try:
        record = Record.model_validate(content)
    except ValidationError as error:
        raise RecordError(f"{path}: {explain(error)}; delete it and run again") from error
    statistics = path.with_suffix(".npz")
    if not statistics.is_file() or sha256(statistics) != record.statistics_sha256:
        raise RecordError(f"{statistics}: missing or altered since its record was written; delete both and run again")
    return record


def read_statistics(path: Path) -> tuple[dict[str, dict[str, dict[str, Additive]]], dict[str, NDArray[np.float64]]]:
    """Block statistics and bootstrap replicates (replicates,) by score id of the record at ``path``."""
    try:
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as saved:
            arrays = {name: saved[name] for name in saved.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise RecordError(f"{path.with_suffix('.npz')}: not readable ({error}); delete it and run again") from error
    statistics: dict[str, dict[str, dict[str, Additive]]] = {}
    replicates: dict[str, NDArray[np.float64]] = {}
    for key, array in arrays.items():
        if key.startswith("replicates|"):
            replicates[key.split("|", 1)[1]] = array
            continue
        metric, part, name = key.split("|")
        if name.endswith(("#indices", "#indptr", "#shape")):
            continue
        parts = statistics.setdefault(metric, {p: {} for p in PARTS})
        if name.endswith("#data"):
            stem = key.removesuffix("#data")
            parts[part][name.removesuffix("#data")] = sparse.csr_array(
                (array, arrays[f"{stem}#indices"], arrays[f"{stem}#indptr"]), shape=tuple(arrays[f"{stem}#shape"])
            )
        else:
            parts[part][name] = array
    return statistics, replicates


def _flatten(key: str, value: Additive) -> dict[str, NDArray[Any]]:
    if not sparse.issparse(value):
        return {key: np.asarray(value)}
    matrix = sparse.csr_array(value)
    return {
        f"{key}#data": matrix.data,
        f"{key}#indices": matrix.indices,
        f"{key}#indptr": matrix.indptr,
        f"{key}#shape": np.array(matrix.shape),
    }
