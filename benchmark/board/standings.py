"""A board with everything concluded from it: what tables, pages and files show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backmapbench.board.boards import Board
from backmapbench.board.checks import Notice, check
from backmapbench.board.frozen import read_frozen
from backmapbench.board.greying import Grey, find_greyed
from backmapbench.board.ranks import Rank, rank_all
from backmapbench.board.skill import Yardstick, find_skills, find_yardsticks


@dataclass(frozen=True)
class Standings:
    """Greyed columns by score id, ranks and skills by score id and row name, notices with errors first.

    ``yardsticks``: by score id what skill is measured by, or why there is none; ``skills`` has only columns with it.
    """

    board: Board
    greyed: Mapping[str, tuple[Grey, ...]]
    ranks: Mapping[str, Mapping[str, Rank]]
    notices: tuple[Notice, ...]
    yardsticks: Mapping[str, Yardstick]
    skills: Mapping[str, Mapping[str, float]]

    def rank(self, score: str, row: str) -> Rank | None:
        """Place of a row in a column; None for the oracle, rows without a pair and greyed or descriptive columns."""
        return self.ranks.get(score, {}).get(row)

    def skill(self, score: str, row: str) -> float | None:
        """Skill of a row in a column, in [-1, 1]; None where it has no value or skill is undefined."""
        return self.skills.get(score, {}).get(row)


def judge(board: Board) -> Standings:
    """Everything the board shows beyond its numbers.

    Raises CardError when what is frozen with the board's task version cannot be read.
    """
    frozen = read_frozen(board.task, board.version)
    greyed = find_greyed(board, frozen)
    yardsticks = find_yardsticks(board, greyed, frozen)
    skills = find_skills(board, yardsticks)
    return Standings(board, greyed, rank_all(board, greyed), tuple(check(board)), yardsticks, skills)
