"""From a board's control rows to the yardsticks that are frozen with its task version."""

from __future__ import annotations

import math

from backmapbench.board.boards import Board
from backmapbench.board.frozen import Frozen, FrozenScore
from backmapbench.board.greying import missing_controls
from backmapbench.board.skill import yardstick
from backmapbench.errors import RecordError


def to_freeze(board: Board) -> Frozen:
    """Yardsticks of every ranked score whose null and floor both have a value; greyed ones too, as data may grow.

    Raises RecordError when a control row is missing: what is frozen should be whole.
    """
    missing = missing_controls(board)
    if missing:
        raise RecordError(
            f"{board.task}: control rows missing: {', '.join(missing)}; run them before freezing the task's version"
        )
    scores = {}
    for score in board.scores:
        found = yardstick(board, score)
        if score.ranked and math.isfinite(found.null) and math.isfinite(found.floor):
            scores[score.id] = FrozenScore(
                metric_version=score.version,
                null_row=found.null_row,
                null=found.null,
                floor_row=found.floor_row,
                floor=found.floor,
                resolution=found.resolution,
            )
    return Frozen(schema_version=1, task=board.task, version=board.version, scores=scores)
