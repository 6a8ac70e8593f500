"""Yardsticks of skill and greyed columns frozen with a task version, so that what was published once stays what it was.

One TOML file per task version in the package's folder ``tasks/frozen``, written by ``backmapbench freeze`` from the
control rows of a board.
"""

from __future__ import annotations

import math
import tomllib
from pathlib import Path

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backmapbench.board.boards import Cause, ScoreInfo
from backmapbench.datasets.catalogue import explain
from backmapbench.errors import CardError, RecordError
from backmapbench.files import atomic_write
from backmapbench.tasks.card import CARDS

FOLDER = CARDS / "frozen"
ROUNDING = 1e-9
"""Two numbers count as the same within this share of them, or of 1."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FrozenGrey(_Strict):
    """Why a column is greyed, as ``Grey`` says it."""

    cause: Cause
    sentence: str


class FrozenScore(_Strict):
    """One column: why it is greyed, and its yardstick in the score's unit.

    ``null`` is the null's error and ``floor`` the upper bound of the floor row's interval; None where the controls of
    the board that was frozen did not have it.
    """

    metric_version: int = Field(ge=1)
    greyed: tuple[FrozenGrey, ...] = ()
    null_row: str
    null: float | None = None
    floor_row: str
    floor: float | None = None
    resolution: float = Field(gt=0.0)


class Frozen(_Strict):
    """The ranked columns of one task version, by score id."""

    schema_version: int = Field(ge=1, le=1)
    task: str
    version: int = Field(ge=1)
    scores: dict[str, FrozenScore]

    def of(self, score: ScoreInfo) -> FrozenScore | None:
        """What is frozen of a column; None where that is nothing, or of another version of its metric."""
        found = self.scores.get(score.id)
        return found if found is not None and found.metric_version == score.version else None


def frozen_path(task: str, version: int, folder: Path = FOLDER) -> Path:
    """Where the yardsticks of a task version lie."""
    return folder / f"{task}-v{version}.toml"


def read_frozen(task: str, version: int, folder: Path = FOLDER) -> Frozen | None:
    """Yardsticks of a task version; None where none are frozen. Raises CardError for a file that is not right."""
    path = frozen_path(task, version, folder)
    if not path.is_file():
        return None
    try:
        found = Frozen.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CardError(f"{path}: not valid TOML ({error}); restore the file") from error
    except ValidationError as error:
        raise CardError(f"{path}: {explain(error)}") from error
    if (found.task, found.version) != (task, version):
        raise CardError(f"{path}: is of task {found.task}, version {found.version}; restore the file of {task}")
    return found


def write_frozen(content: Frozen, folder: Path = FOLDER) -> Path:
    """Write the yardsticks of a task version, and return the path.

    Numbers that differ from frozen ones by rounding alone leave the file as it is. Raises RecordError where that
    version is frozen already with other numbers.
    """
    path = frozen_path(content.task, content.version, folder)
    before = read_frozen(content.task, content.version, folder)
    if before is not None:
        if _alike(before.model_dump(), content.model_dump()):
            return path
        raise RecordError(
            f"{path}: version {content.version} of {content.task} is frozen with other numbers; "
            "raise the version in the task card and run its controls again"
        )
    with atomic_write(path) as handle:
        tomli_w.dump(content.model_dump(mode="json", exclude_none=True), handle)
    return path


def _alike(one: object, other: object) -> bool:
    """Whether two dumped models are the same but for rounding, which differs from machine to machine."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=ROUNDING, abs_tol=ROUNDING)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_alike, one, other))
    return one == other
