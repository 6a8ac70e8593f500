"""Skill: where a row lies between a control that knows nothing (0) and molecular dynamics itself (1).

skill = ln(null / e') / ln(null / f'), with e' = max(error, f') and f' = max(upper bound of the floor row's interval,
the score's resolution), kept within [-1, 1]. Where the null is at most twice f' there is no room between the two and
skill is undefined. Greyed columns have none.
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from dataclasses import dataclass

from backmapbench.board.boards import Board, ScoreInfo
from backmapbench.board.frozen import Frozen
from backmapbench.board.greying import null_row
from backmapbench.metrics.registry import METRICS, metric_class
from backmapbench.metrics.resolutions import resolution

LEAST_ROOM = 2.0
"""A null below so many times the floor leaves nothing to measure."""
INDEPENDENT = "fresh-md"
CONDITIONAL = "conditional-md"


@dataclass(frozen=True)
class Yardstick:
    """What skill in one column is measured by; ``reason`` says why there is none ("" where there is).

    Attributes:
        null_row: the control that knows nothing, and ``null``, its error.
        floor_row: the row that marks molecular dynamics, and ``floor``, the upper bound of its interval.
        resolution: the smallest error that counts.
        frozen: whether the numbers are those of the task version, not of this board.
    """

    null_row: str
    null: float
    floor_row: str
    floor: float
    resolution: float
    frozen: bool
    reason: str = ""

    @property
    def best(self) -> float:
        """The error from which on skill is 1."""
        return max(self.floor, self.resolution)

    def skill(self, error: float) -> float:
        """Skill of an error, NaN where it is undefined."""
        if self.reason or not math.isfinite(error):
            return float("nan")
        span = math.log(self.null / self.best)
        return max(-1.0, min(1.0, math.log(self.null / max(error, self.best)) / span))


def find_yardsticks(board: Board, greyed: Container[str], frozen: Frozen | None = None) -> dict[str, Yardstick]:
    """Yardsticks by score id, for ranked scores that are not greyed; ``frozen`` where the task version has been."""
    return {
        score.id: yardstick(board, score, frozen) for score in board.scores if score.ranked and score.id not in greyed
    }


def yardstick(board: Board, score: ScoreInfo, frozen: Frozen | None = None) -> Yardstick:
    """The yardstick of one column: the frozen one if it is whole and of the metric's version, else from the board."""
    kept = frozen.of(score) if frozen else None
    if kept is not None and kept.null is not None and kept.floor is not None:
        found = Yardstick(kept.null_row, kept.null, kept.floor_row, kept.floor, kept.resolution, frozen=True)
    else:
        null, floor = null_row(board, score.metric), floor_row(board, score)
        found = Yardstick(
            null,
            board.cell(null, score.id).value,
            floor,
            board.cell(floor, score.id).high,
            resolution(score.id, score.metric),
            frozen=False,
        )
    reason = _undefined(found)
    return Yardstick(**{**vars(found), "reason": reason}) if reason else found


def floor_row(board: Board, score: ScoreInfo) -> str:
    """The row that marks what molecular dynamics itself scores.

    Independent MD for ensembles and time. Frames of independent MD are no pair of the reference's, so conditional MD
    for what compares frame by frame.
    """
    paired = metric_class(score.metric).paired if score.metric in METRICS else _no_pair(board, score)
    return CONDITIONAL if paired else INDEPENDENT


def _no_pair(board: Board, score: ScoreInfo) -> bool:
    return board.cell(INDEPENDENT, score.id).status == "no pair"


def _undefined(found: Yardstick) -> str:
    """Why there is no skill in a column; "" where there is."""
    if not math.isfinite(found.null):
        return f"the control '{found.null_row}' has no value here"
    if not math.isfinite(found.floor):
        return f"the row '{found.floor_row}' has no value here, so what molecular dynamics scores is not known"
    if found.null <= LEAST_ROOM * found.best:
        return (
            f"the control '{found.null_row}' ({found.null:.3g}) is not above twice what molecular dynamics scores "
            f"({found.best:.3g})"
        )
    return ""


def find_skills(board: Board, yardsticks: Mapping[str, Yardstick]) -> dict[str, dict[str, float]]:
    """Skill by score id and row name, without rows that have no value and columns where it is undefined."""
    return {
        score: {
            row.name: measure.skill(row.cells[score].value) for row in board.rows if row.cells[score].status == "ok"
        }
        for score, measure in yardsticks.items()
        if not measure.reason
    }
