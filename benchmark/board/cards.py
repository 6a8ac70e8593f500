"""The task card behind a board, where the package has it; records alone do not carry it."""

from __future__ import annotations

from backmapbench.board.boards import Board
from backmapbench.tasks.card import TaskCard, find_card, read_card, task_names


def known_card(board: Board) -> TaskCard | None:
    """The card of the board's task in the board's version; None if the package has none or another version."""
    if board.task not in task_names():
        return None
    card = read_card(find_card(board.task))
    return card if card.version == board.version else None
