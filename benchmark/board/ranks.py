"""Ranks by paired bootstrap; rows that cannot be told apart share one."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

import numpy as np

from backmapbench.board.boards import CONFIDENCE, Board, Cell, ScoreInfo
from backmapbench.intervals import MINIMUM_REPLICATES

ROUNDING = 1e-9
"""Differences below this share of the values are rounding of sums taken in another order."""


@dataclass(frozen=True)
class Rank:
    """A place in one column. ``rank`` is 1 plus the number of rows in better groups; ``group`` counts groups from 1."""

    rank: int
    group: int


def rank_all(board: Board, greyed: Container[str]) -> dict[str, dict[str, Rank]]:
    """Ranks by score id and row name, for ranked scores that are not greyed."""
    return {score.id: rank_rows(board, score) for score in board.scores if score.ranked and score.id not in greyed}


def rank_rows(board: Board, score: ScoreInfo) -> dict[str, Rank]:
    """Ranks of one score by row name; the oracle and rows without a pair have none.

    From the best value on, a row joins the group of the best row not yet passed if the two tie, else it opens the next
    group. Rows that failed, or whose error is undefined, share the last rank.
    """
    cells = {row.name: row.cells[score.id] for row in board.rows if row.name != "oracle"}
    scored = sorted((name for name, cell in cells.items() if cell.status == "ok"), key=lambda name: cells[name].value)
    ranks: dict[str, Rank] = {}
    leader, current = "", Rank(0, 0)
    for position, name in enumerate(scored, start=1):
        if not leader or not tied(cells[leader], cells[name], score.distance):
            leader, current = name, Rank(position, current.group + 1)
        ranks[name] = current
    last = Rank(len(scored) + 1, current.group + 1)
    return ranks | {name: last for name, cell in cells.items() if cell.status in ("failed", "undefined")}


def tied(best: Cell, other: Cell, distance: bool) -> bool:
    """Whether the interval of the paired difference of two cells contains 0.

    Replicates pair by index (the same bootstrap draws). Of distances the difference of the biases is taken off, as
    from their intervals. Without enough replicates that both have, nothing shows that the rows differ: a tie.
    """
    if best.replicates is None or other.replicates is None:
        return True
    length = min(len(best.replicates), len(other.replicates))
    differences = other.replicates[:length] - best.replicates[:length]
    differences = differences[np.isfinite(differences)]
    if len(differences) < MINIMUM_REPLICATES:
        return True
    if distance:
        differences = differences - (differences.mean() - (other.value - best.value))
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(differences, [tail, 1.0 - tail])
    slack = ROUNDING * max(abs(best.value), abs(other.value), 1e-300)
    return bool(low <= slack and high >= -slack)
