"""Task cards: which dataset, which beads, which splits, which protocol, which metrics with which settings."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from backmapbench.datasets.catalogue import explain
from backmapbench.errors import CardError, UnknownNameError
from backmapbench.metrics.registry import METRICS

CARDS = Path(str(files("backmapbench") / "tasks"))
Labels = list[str]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Splits(_Strict):
    """Names of the dataset's splits by role; no role shares a split with another."""

    train: str
    validation: str
    scored: str
    fresh: str = Field(description="independent MD as long as the scored split: the noise floor")

    @model_validator(mode="after")
    def _distinct(self) -> Splits:
        names = [self.train, self.validation, self.scored, self.fresh]
        if len(set(names)) != len(names):
            raise ValueError("train, validation, scored and fresh must be four different splits")
        return self


class MappingEntry(_Strict):
    """Beads by atom name: ``slice`` (one atom each) or the centre of a group of atoms."""

    kind: Literal["slice", "centre_of_geometry", "centre_of_mass"]
    atoms: Labels | None = None
    groups: dict[str, Labels] | None = None

    @model_validator(mode="after")
    def _complete(self) -> MappingEntry:
        if (self.kind == "slice") != (self.atoms is not None) or (self.kind == "slice") == (self.groups is not None):
            raise ValueError("a slice takes `atoms`, a centre takes `groups`")
        return self


class Uncertainty(_Strict):
    """Block bootstrap over trajectories."""

    replicates: int = Field(default=500, ge=20)
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0)
    seed: int = 0


class Kinetics(_Strict):
    """States and lag of the Markov model; features are cos and sin of the torsions."""

    torsions: list[Labels]
    states: int = Field(ge=2)
    lag_frames: int = Field(ge=1)
    seed: int = 0
    bayesian_samples: int = Field(default=100, ge=10)


class Hidden(_Strict):
    """Torsions that the beads do not fix."""

    torsions: list[Labels]


class TaskCard(_Strict):
    """One task. ``version`` grows whenever a change of the card changes a score."""

    schema_version: Literal[1]
    name: str
    version: int = Field(ge=1)
    title: str
    dataset: str
    protocol: Literal["temporal", "independent"]
    splits: Splits
    mapping: MappingEntry
    uncertainty: Uncertainty = Uncertainty()
    kinetics: Kinetics | None = None
    hidden: Hidden | None = None
    metrics: dict[str, dict[str, Any]] = Field(min_length=1)

    @model_validator(mode="after")
    def _known_metrics(self) -> TaskCard:
        for name in self.metrics:
            if name not in METRICS:
                raise ValueError(str(UnknownNameError("metric", name, METRICS)))
        return self


def task_names() -> list[str]:
    """Names of the task cards in the package."""
    return sorted(path.stem for path in CARDS.glob("*.toml"))


def read_card(path: Path) -> TaskCard:
    """Read and validate a task card. Raises CardError naming file, field and problem."""
    try:
        return TaskCard.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise CardError(f"{path}: cannot be read ({error.strerror}); give the path of a task card") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CardError(f"{path}: not valid TOML ({error}); correct the line") from error
    except ValidationError as error:
        raise CardError(f"{path}: {explain(error)}") from error


def find_card(name: str) -> Path:
    """Path of the card called ``name``, or of the card file that ``name`` points at.

    Raises UnknownNameError with close names when there is neither.
    """
    if name.endswith(".toml"):
        return Path(name)
    if name not in task_names():
        raise UnknownNameError("task", name, task_names())
    return CARDS / f"{name}.toml"
