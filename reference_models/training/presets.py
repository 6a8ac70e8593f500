"""Presets as TOML data, entries changed from the command line, and what a model that is trained by them offers."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel, ValidationError

from backmapbench.errors import CardError, UnknownNameError
from backmapbench.reference_models.training.loop import Progress, TrainingResult
from backmapbench.submissions.protocol import System, TrainingSet

Settings = TypeVar("Settings", bound=BaseModel)


@dataclass(frozen=True)
class TrainingRequest:
    """What ``backmapbench train`` asks of a model.

    Attributes:
        preset: name of a preset; None: the model's choice for the molecule.
        changes: entries as ``key=value``, dots between tables.
        folder: where checkpoints, log and weights go; a run already there is taken up.
        seed: of initial weights and everything drawn.
        trials: settings to try before, by search; 0: none.
    """

    preset: str | None
    changes: tuple[str, ...]
    folder: Path
    seed: int = 0
    trials: int = 0


@runtime_checkable
class PresetTrainable(Protocol):
    """A backmapper that is trained once, on its own, by a preset."""

    def presets(self) -> tuple[str, ...]:
        """Names of the presets."""
        ...

    def train(
        self, system: System, training: TrainingSet, request: TrainingRequest, progress: Progress | None = None
    ) -> TrainingResult:
        """Train and write the weights to ``request.folder``; the model can be used afterwards."""
        ...


def preset_names(package: str) -> tuple[str, ...]:
    """Presets that lie in ``package``: its TOML files."""
    return tuple(
        sorted(path.name.removesuffix(".toml") for path in files(package).iterdir() if path.name.endswith(".toml"))
    )


def read_preset(package: str, name: str, kind: type[Settings], changes: Sequence[str] = ()) -> Settings:
    """The preset ``name`` of ``package`` with ``changes``, validated.

    Raises UnknownNameError for another name, CardError for an entry that does not fit.
    """
    names = preset_names(package)
    if name not in names:
        raise UnknownNameError("preset", name, names)
    content = tomllib.loads((files(package) / f"{name}.toml").read_text(encoding="utf-8"))
    return validated(overridden(content, changes), kind, f"preset '{name}'")


def validated(content: dict[str, Any], kind: type[Settings], source: str) -> Settings:
    """``content`` as settings. Raises CardError naming the first entry that does not fit."""
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        raise CardError(f"{source}: {place}: {first['msg']} (given: {first['input']!r}); correct the entry") from error


def overridden(content: dict[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """A copy of nested tables with entries replaced: ``training.steps=100``, values in TOML, bare words as text.

    Raises CardError for a change that is no ``key=value`` or goes through an entry that is no table.
    """
    result = _copy(content)
    for change in changes:
        key, equals, text = change.partition("=")
        *tables, last = key.strip().split(".")
        if not equals or not last:
            raise CardError(f"--set {change}: is no key=value; write for example training.steps=1000")
        table = result
        for name in tables:
            inner = table.setdefault(name, {})
            if not isinstance(inner, dict):
                raise CardError(f"--set {change}: '{name}' is an entry, not a table; give the entry itself")
            table = inner
        table[last] = _value(text.strip())
    return result


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _copy(content: dict[str, Any]) -> dict[str, Any]:
    return {key: _copy(value) if isinstance(value, dict) else value for key, value in content.items()}
