"""Claims as data: one TOML file a paper, each claim with its source and the checks that it stands on."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from backmapbench.board.boards import Cause
from backmapbench.datasets.catalogue import explain
from backmapbench.errors import CardError

Names = Annotated[tuple[str, ...], Field(min_length=1)]
Gain = Literal["ratio", "difference"]
"""How much a rival's error exceeds a row's: as a multiple, or in the score's unit."""
Quantity = Literal["seconds_per_step", "peak_memory_mb"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Check(_Strict):
    """What the claim says of ``row``; ``beside``: rows of which the same is asked, shown without being counted."""

    label: str
    row: str
    scores: Names
    beside: tuple[str, ...] = ()
    despite: tuple[Cause, ...] = Field((), description="causes of greying that do not stop this check")
    despite_why: str = ""

    @model_validator(mode="after")
    def _explained(self) -> Self:
        if bool(self.despite) != bool(self.despite_why):
            raise ValueError("give 'despite_why' with 'despite', and only with it: why a greyed score counts here")
        return self


class Within(_Check):
    """At most ``factor`` times the upper bound of ``yardstick``'s interval, or the score's resolution if larger."""

    kind: Literal["within"]
    tasks: Names
    yardstick: str
    factor: float = Field(gt=0.0)


class AtMost(_Check):
    """At most ``limit``, in the score's unit."""

    kind: Literal["at most"]
    tasks: Names
    limit: float


class Below(_Check):
    """``factor`` times the row's error lies below each rival's, on every task."""

    kind: Literal["below"]
    tasks: Names
    rivals: Names
    factor: float = Field(1.0, gt=0.0)


class Grows(_Check):
    """The gain over each rival grows along every series of tasks."""

    kind: Literal["grows"]
    series: Annotated[tuple[Annotated[tuple[str, ...], Field(min_length=2)], ...], Field(min_length=1)]
    rivals: Names
    gain: Gain


class Bracket(_Strict):
    """A task, and two of another molecule whose beads are smaller and larger than the task's."""

    task: str
    between: tuple[str, str]


class Contrast(_Check):
    """The row's error, or its gain over each rival, on a task lies ``side`` what its bracket has."""

    kind: Literal["contrast"]
    brackets: Annotated[tuple[Bracket, ...], Field(min_length=1)]
    side: Literal["above", "below"]
    gain: Gain | None = None
    rivals: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _paired(self) -> Self:
        if (self.gain is None) != (not self.rivals):
            raise ValueError("give 'rivals' with 'gain', and only with it")
        return self


class Weights(_Strict):
    """Delivered weights: a pattern of files below the reference models' folder, in which ``{task}`` is the task's name.

    ``command``: what the command that trained them has to contain, where files are not named by task.
    """

    files: str
    command: str = ""


class Training(_Strict):
    """Each stage of ``row`` takes less to train than ``rival``, by what delivered weights say of their training.

    Several weights that match (seeds) span what they took. Of the stages the largest counts, since they can be trained
    one after the other.
    """

    kind: Literal["training"]
    label: str
    row: str
    tasks: Names
    stages: Annotated[tuple[Weights, ...], Field(min_length=1)]
    rival: Weights
    quantities: Annotated[tuple[Quantity, ...], Field(min_length=1)]
    spread: float = Field(ge=1.0, description="factor between two measurements of one and the same training")
    spread_why: str


class NoData(_Strict):
    """Nothing here can tell; ``reason`` says why."""

    kind: Literal["no data"]
    label: str
    reason: str


Scored = Within | AtMost | Below | Grows | Contrast
"""Checks of scores on a board."""
Check = Annotated[Scored | Training | NoData, Field(discriminator="kind")]


class Claim(_Strict):
    """What a paper says, in other words than its own, and what has to hold for it: all of ``checks``."""

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    text: str
    source: str
    note: str = ""
    checks: Annotated[tuple[Check, ...], Field(min_length=1)]


class Paper(_Strict):
    """A paper's claims."""

    schema_version: Literal[1]
    paper: str = Field(pattern=r"^[a-z0-9]+$")
    title: str
    citation: str
    note: str = ""
    claims: Annotated[tuple[Claim, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        ids = [claim.id for claim in self.claims]
        if twice := sorted({each for each in ids if ids.count(each) > 1}):
            raise ValueError(f"claims share the id {', '.join(twice)}; give each its own")
        return self


def read_paper(path: Path) -> Paper:
    """The claims in a TOML file. Raises CardError for a file that is missing or not right."""
    try:
        return Paper.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise CardError(f"{path}: not readable ({error}); give a TOML file of claims") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CardError(f"{path}: not valid TOML ({error})") from error
    except ValidationError as error:
        raise CardError(f"{path}: {explain(error)}") from error


def shipped() -> list[Path]:
    """The files of claims that come with the package, in alphabetical order."""
    return sorted(Path(str(files(__package__))).glob("*.toml"))
