"""Finding backmappers: installed entry points, ``path/to/file.py:Class`` and folders of finished predictions.

Reference models have no way in of their own: they are entry points of this distribution. Listing imports no model.
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from backmapbench.errors import SubmissionError, UnknownNameError
from backmapbench.submissions.predictions import PredictionFolder
from backmapbench.submissions.protocol import Backmapper, ModelInfo

GROUP = "backmapbench.backmappers"


@dataclass(frozen=True)
class ModelEntryPoint:
    """A backmapper that can be named on the command line, and the distribution that brings it."""

    name: str
    target: str
    origin: str


def installed_models() -> list[ModelEntryPoint]:
    """Every entry point in the group ``backmapbench.backmappers``; nothing is imported."""
    found = {point.name: point for point in entry_points(group=GROUP)}
    return [ModelEntryPoint(name, point.value, _distribution(point)) for name, point in sorted(found.items())]


def load_model(name: str) -> tuple[Backmapper, str]:
    """The backmapper called ``name`` and its origin.

    ``name`` is an installed entry point, ``path/to/file.py:Class`` or a folder with ``prediction.toml``.

    Raises UnknownNameError with close names, or SubmissionError when it cannot be imported, built, or is no Backmapper.
    """
    path, _, attribute = name.rpartition(":")
    if path.endswith(".py"):
        return _build(getattr_checked(_import_file(Path(path)), attribute, name), name), name
    if Path(name).is_dir():
        return PredictionFolder(Path(name)), name
    for point in entry_points(group=GROUP):
        if point.name == name:
            try:
                factory = point.load()
            except Exception as error:
                raise SubmissionError(
                    f"model '{name}' ({point.value}) cannot be imported: {error}; install what it needs"
                ) from error
            return _build(factory, name), _distribution(point)
    raise UnknownNameError("model", name, [model.name for model in installed_models()])


def getattr_checked(module: ModuleType, attribute: str, name: str) -> object:
    """Attribute of a submitted module. Raises SubmissionError naming what the module has instead."""
    if not hasattr(module, attribute):
        public = [key for key, value in vars(module).items() if isinstance(value, type) and not key.startswith("_")]
        raise SubmissionError(f"{name}: the file defines no '{attribute}'; it has {', '.join(public) or 'no classes'}")
    return getattr(module, attribute)


def _build(factory: object, name: str) -> Backmapper:
    try:
        model = factory() if callable(factory) else factory
    except Exception as error:
        raise SubmissionError(
            f"model '{name}' cannot be built without arguments: {error!r}; give them defaults"
        ) from error
    if not isinstance(model, Backmapper) or not isinstance(model.info, ModelInfo):
        raise SubmissionError(f"model '{name}' is no Backmapper: it needs `info` (a ModelInfo) and `backmap(...)`")
    return model


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise SubmissionError(f"{path}: no such file; give path/to/file.py:Class")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise SubmissionError(f"{path}: not an importable Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise SubmissionError(f"{path}: raised {error!r} when imported; run it by itself to see where") from error
    return module


def _distribution(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else point.value
