"""What a record's scores depend on, as one hash: a run resumes only from records whose hash fits."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from backmapbench import provenance
from backmapbench.records import SCHEMA_VERSION
from backmapbench.submissions.predictions import PredictionFolder

if TYPE_CHECKING:
    from backmapbench.planning import Row, Settings
    from backmapbench.submissions import Backmapper
    from backmapbench.tasks import Task

REFERENCE_MODELS = "backmapbench.reference_models"


def fingerprint(task: Task, row: Row, settings: Settings, code: str) -> str:
    """Hash of card, data, versions, scoring ``code``, model and samples: what all seeds of a row have in common."""
    return _hash(
        {
            "schema": SCHEMA_VERSION,
            "task": task.card.model_dump(mode="json"),
            "data": task.dataset.hashes,
            "versions": provenance.versions(),
            "code": code,
            "model": row.code or row.name,
            "samples": settings.samples,
        }
    )


def record_key(made: str, seed: int) -> str:
    """Hash of a row's fingerprint and its seed."""
    return _hash({"fingerprint": made, "seed": seed})


def model_files(model: Backmapper) -> list[Path]:
    """A model's own files: its predictions; or its file or its package's folder, and what that imports beside it.

    Beside a package's folder lies what is in the same parent package; of a file that stands alone what it imports of
    the reference models is followed. Imports are read from the source, at any depth of the code.
    """
    if isinstance(model, PredictionFolder):
        return [model.folder]
    source = Path(inspect.getfile(type(model)))
    start, family, home = source, REFERENCE_MODELS, Path(str(files(REFERENCE_MODELS)))
    if (source.parent / "__init__.py").is_file():
        start, home = source.parent, source.parent.parent
        family = type(model).__module__.rpartition(".")[0].rpartition(".")[0]
    found, waiting = [start], [start]
    while family and waiting:
        for name in sorted(set(_imported(waiting.pop(), family))):
            for path in (home / name, home / f"{name}.py"):
                if path.exists() and path not in found:
                    found.append(path)
                    waiting.append(path)
    return [found[0], *sorted(found[1:])]


def _imported(path: Path, family: str) -> Iterator[str]:
    """First names below the package ``family`` that the file, or any file of the folder, imports."""
    for file in [path] if path.is_file() else path.rglob("*.py"):
        for name in _imports(file, file.stat().st_mtime_ns):
            if name.startswith(f"{family}."):
                yield name.removeprefix(f"{family}.").split(".")[0]


@functools.cache
def _imports(file: Path, changed_ns: int) -> tuple[str, ...]:
    """Full names of all that a file imports; it was last changed at ``changed_ns``. Models share files: read once."""
    found: list[str] = []
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return tuple(found)


def _hash(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
