"""From a board's control rows to what is frozen with its task version: greyed columns and the yardsticks of skill."""

from __future__ import annotations

import math

from backmapbench.board.boards import Board
from backmapbench.board.frozen import Frozen, FrozenGrey, FrozenScore
from backmapbench.board.greying import find_greyed, missing_controls
from backmapbench.board.skill import yardstick
from backmapbench.errors import RecordError


def to_freeze(board: Board) -> Frozen:
    """Why each ranked score is greyed, if it is, and its yardstick.

    Raises RecordError when a control row is missing: what is frozen should be whole.
    """
    missing = missing_controls(board)
    if missing:
        raise RecordError(
            f"{board.task}: control rows missing: {', '.join(missing)}; run them before freezing the task's version"
        )
    greyed = find_greyed(board)
    scores = {}
    for score in board.scores:
        if score.ranked:
            found = yardstick(board, score)
            scores[score.id] = FrozenScore(
                metric_version=score.version,
                greyed=tuple(FrozenGrey(cause=grey.cause, sentence=grey.sentence) for grey in greyed.get(score.id, ())),
                null_row=found.null_row,
                null=_finite(found.null),
                floor_row=found.floor_row,
                floor=_finite(found.floor),
                resolution=found.resolution,
            )
    return Frozen(schema_version=1, task=board.task, version=board.version, scores=scores)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
