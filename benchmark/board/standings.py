"""A board with everything concluded from it: what tables, pages and files show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backmapbench.board.boards import Board
from backmapbench.board.checks import Notice, check
from backmapbench.board.greying import Grey, find_greyed
from backmapbench.board.ranks import Rank, rank_all


@dataclass(frozen=True)
class Standings:
    """Greyed columns by score id, ranks by score id and row name, notices with errors first."""

    board: Board
    greyed: Mapping[str, tuple[Grey, ...]]
    ranks: Mapping[str, Mapping[str, Rank]]
    notices: tuple[Notice, ...]

    def rank(self, score: str, row: str) -> Rank | None:
        """Place of a row in a column; None for the oracle, rows without a pair and greyed or descriptive columns."""
        return self.ranks.get(score, {}).get(row)


def judge(board: Board) -> Standings:
    """Everything the board shows beyond its numbers."""
    greyed = find_greyed(board)
    return Standings(board, greyed, rank_all(board, greyed), tuple(check(board)))
