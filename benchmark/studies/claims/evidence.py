"""What claims are held against: numbers of boards, and where the weights lie that say how they were trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from backmapbench.board.boards import Board
from backmapbench.board.frozen import read_frozen
from backmapbench.board.greying import Grey, find_greyed, null_row
from backmapbench.studies.claims.spans import Span


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
