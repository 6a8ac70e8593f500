"""What a record's scores depend on, as one hash: a run resumes only from records whose hash fits."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
from collections.abc import Iterator
from pathlib import Path

from backmapbench import provenance
from backmapbench.planning import Row, Settings
from backmapbench.records import SCHEMA_VERSION
from backmapbench.submissions import Backmapper
from backmapbench.submissions.predictions import PredictionFolder
from backmapbench.tasks import Task


def record_key(task: Task, row: Row, settings: Settings, code: str) -> str:
    """Hash of card, data, versions, scoring ``code``, model, seed and samples."""
    content = {
        "schema": SCHEMA_VERSION,
        "task": task.card.model_dump(mode="json"),
        "data": task.dataset.hashes,
        "versions": provenance.versions(),
        "code": code,
        "model": provenance.hash_files(model_files(row.model)) if row.model is not None else row.name,
        "seed": row.seed,
        "samples": settings.samples,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def model_files(model: Backmapper) -> list[Path]:
    """A model's own files: its predictions; or its file; or, in a package, its folder and what that imports beside it.

    Beside it is what lies in the same parent package. Imports are read from the source, at any depth of the code.
    """
    if isinstance(model, PredictionFolder):
        return [model.folder]
    source = Path(inspect.getfile(type(model)))
    if not (source.parent / "__init__.py").is_file():
        return [source]
    family = type(model).__module__.rpartition(".")[0].rpartition(".")[0]
    found, waiting = [source.parent], [source.parent]
    while family and waiting:
        for name in sorted(set(_imported(waiting.pop(), family))):
            for path in (source.parent.parent / name, source.parent.parent / f"{name}.py"):
                if path.exists() and path not in found:
                    found.append(path)
                    waiting.append(path)
    return [found[0], *sorted(found[1:])]


def _imported(path: Path, family: str) -> Iterator[str]:
    """First names below the package ``family`` that the file, or any file of the folder, imports."""
    for file in [path] if path.is_file() else path.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            for name in names:
                if name.startswith(f"{family}."):
                    yield name.removeprefix(f"{family}.").split(".")[0]
