"""Ranks by paired bootstrap; rows that cannot be told apart share one."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

import numpy as np

from backmapbench.board.boards import CONFIDENCE, Board, Cell, ScoreInfo
from backmapbench.intervals import MINIMUM_REPLICATES, tails, unbiased

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
    """Ranks of one score by row name; the oracle and rows without a pair, or to which it does not apply, have none.

    From the best value on, a row joins the group of the best row not yet passed if the two tie, else it opens the next
    group. Rows that failed, or whose error is undefined, share the last rank.
    """
    cells = {row.name: row.cells[score.id] for row in board.rows if row.name != "oracle"}
    blocks = {row.name: row.blocks for row in board.rows}
    scored = sorted((name for name, cell in cells.items() if cell.status == "ok"), key=lambda name: cells[name].value)
    ranks: dict[str, Rank] = {}
    leader, current = "", Rank(0, 0)
    for position, name in enumerate(scored, start=1):
        fewest = min(blocks[name], blocks[leader]) if leader else 0
        if not leader or not tied(cells[leader], cells[name], score.distance, fewest):
            leader, current = name, Rank(position, current.group + 1)
        ranks[name] = current
    last = Rank(len(scored) + 1, current.group + 1)
    return ranks | {name: last for name, cell in cells.items() if cell.status in ("failed", "undefined")}


def tied(best: Cell, other: Cell, distance: bool, blocks: int | None = None) -> bool:
    """Whether nothing shows that ``other`` is worse: the interval of the paired difference reaches down to 0.

    Replicates pair by index (the same bootstrap draws). Of distances the difference is laid about that of the values
    without what noise adds to each, which differs from row to row: a row that reuses reference frames has less of it.
    Without enough replicates that both have, or with fewer than two blocks, nothing shows that the rows differ: a tie.
    """
    if best.replicates is None or other.replicates is None or (blocks is not None and blocks < 2):
        return True
    length = min(len(best.replicates), len(other.replicates))
    pairs = np.stack([best.replicates[:length], other.replicates[:length]])
    pairs = pairs[:, np.isfinite(pairs).all(axis=0)]
    if pairs.shape[1] < MINIMUM_REPLICATES:
        return True
    differences = pairs[1] - pairs[0]
    if distance:
        expected = unbiased(other.value, pairs[1]) - unbiased(best.value, pairs[0])
        differences = differences - differences.mean() + expected
    low = float(np.quantile(differences, tails(CONFIDENCE, blocks)[0]))
    return low <= ROUNDING * max(abs(best.value), abs(other.value), 1e-300)
