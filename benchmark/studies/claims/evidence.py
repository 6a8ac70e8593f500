"""What claims are held against: numbers of boards, and what delivered weights say of their training."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from backmapbench.board.boards import Board
from backmapbench.board.frozen import read_frozen
from backmapbench.board.greying import Grey, find_greyed, null_row
from backmapbench.errors import CardError
from backmapbench.studies.claims.papers import Quantity
from backmapbench.studies.claims.spans import Span

HARDWARE = ("machine", "threads")


@dataclass(frozen=True)
class Number:
    """A number that a claim stands on; ``reason`` says why there is none, or none with an interval.

    ``absent``: the task has no record of the row.
    """

    row: str
    task: str
    score: str
    span: Span | None
    reason: str = ""
    absent: bool = False


@dataclass(frozen=True)
class Evidence:
    """Boards and their greyed scores by task, and the folder below which weights lie."""

    boards: Mapping[str, Board]
    greyed: Mapping[str, Mapping[str, tuple[Grey, ...]]]
    weights: Path

    @classmethod
    def of(cls, boards: Sequence[Board], weights: Path | None = None) -> Evidence:
        """Boards with what is greyed on them; ``weights``: by default those of the package's reference models.

        Raises CardError when what is frozen with a task version cannot be read.
        """
        greyed = {board.task: find_greyed(board, read_frozen(board.task, board.version)) for board in boards}
        models = weights or Path(str(files("backmapbench.reference_models")))
        return cls({board.task: board for board in boards}, greyed, models)

    def number(self, task: str, score: str, row: str) -> Number:
        """One row's score on a task, with its interval."""
        board = self.boards.get(task)
        found = board.row(row) if board else None
        if found is None:
            return Number(row, task, score, None, f"no record of {row} on {task}", absent=True)
        cell = found.cells.get(score)
        if cell is None:
            return Number(row, task, score, None, f"{score} is not among the scores of {task}")
        if cell.status != "ok":
            why = f": {cell.reason}" if cell.reason else ""
            return Number(row, task, score, None, f"{score} of {row} on {task} is {cell.status}{why}")
        span = Span(cell.value, cell.low, cell.high)
        if not span.known:
            return Number(row, task, score, span, f"{score} of {row} on {task} has no interval")
        return Number(row, task, score, span)

    def greys(self, task: str, score: str) -> tuple[Grey, ...]:
        """Why a score cannot tell methods apart on a task; empty where it can."""
        return self.greyed.get(task, {}).get(score, ())

    def passes_unknowing(self, task: str, score: str, limit: float) -> str:
        """That the control which knows nothing of the atoms lies at or below ``limit`` too; "" if it does not."""
        board = self.boards[task]
        name = null_row(board, next(each.metric for each in board.scores if each.id == score))
        cell = board.cell(name, score)
        if cell.status != "ok" or cell.value > limit:
            return ""
        return f"the uninformed control {name} ({cell.value:.3g}) passes as well"

    def training(self, pattern: str, quantity: Quantity, noise: float) -> tuple[Span | None, set[str], str]:
        """What training cost by all weights that match ``pattern``: their span, the hardware, and why there is none.

        ``noise`` is the share by which one measurement differs from the next. Raises CardError for weights whose file
        is not TOML.
        """
        paths = sorted(self.weights.glob(pattern))
        if not paths:
            return None, set(), f"no delivered weights match {pattern}"
        courses = [_course(path) for path in paths]
        costs = [_cost(course, quantity) for course in courses]
        found = [cost for cost in costs if cost is not None]
        if len(found) < len(costs):
            silent = paths[costs.index(None)].name
            return None, set(), f"{silent} does not say its {quantity.replace('_', ' ')}"
        hardware = {", ".join(str(course.get(name, f"{name} not said")) for name in HARDWARE) for course in courses}
        return Span(sum(found) / len(found), min(found) * (1 - noise), max(found) * (1 + noise)), hardware, ""


def _course(path: Path) -> dict[str, Any]:
    """How the training of the weights at ``path`` went; empty where they do not say."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CardError(f"{path}: not readable as the description of weights ({error}); restore the file") from error
    course = content.get("content", {}).get("training", {})
    return course if isinstance(course, dict) else {}


def _cost(course: Mapping[str, Any], quantity: Quantity) -> float | None:
    if quantity != "seconds_per_step":
        return _number(course.get(quantity))
    seconds, steps = _number(course.get("seconds")), _number(course.get("steps"))
    return seconds / steps if seconds is not None and steps else None


def _number(found: object) -> float | None:
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None
