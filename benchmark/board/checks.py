"""What a reader must know before trusting a board."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from backmapbench.blocks import MINIMUM_BLOCKS
from backmapbench.board.boards import Board
from backmapbench.board.greying import missing_controls
from backmapbench.board.numbers import cell_text

LEAK_SCORES = ("energy_w1_kt", "bond_length_w1_angstrom")
"""Scores whose floor a learned row does not pass unless it saw the atoms it was to find."""
FAR_BELOW = 0.1
"""Share of independent MD's error: sampling noise alone brings no honest row that low, and its interval may reach 0."""
LEAST_RMSD = 0.5**0.5
"""Of conditional MD's: the conditional mean has half a sample's squared error, and nothing that sees beads has less."""


@dataclass(frozen=True)
class Notice:
    """One line for the top of a board; an error means that the board itself is wrong."""

    level: Literal["error", "warning"]
    text: str


def check(board: Board) -> list[Notice]:
    """Errors first, then warnings."""
    errors = [Notice("error", text) for text in oracle_errors(board)]
    texts = suspected_leaks(board) + few_blocks(board) + without_controls(board)
    return errors + [Notice("warning", text) for text in texts]


def oracle_errors(board: Board) -> list[str]:
    """Ranked errors of the oracle that are not exactly 0."""
    oracle = board.row("oracle")
    if oracle is None:
        return []
    wrong = [
        (score.id, cell)
        for score in board.scores
        if score.ranked
        and (cell := oracle.cells[score.id]).status not in ("not scored", "not applicable")
        and cell.value != 0.0
    ]
    return [
        f"{name}: the true atoms score {cell.value:.3g} instead of exactly 0"
        + (f" ({cell.status}: {cell.reason})" if cell.status != "ok" else "")
        + "; do not read this column."
        for name, cell in wrong
    ]


def suspected_leaks(board: Board) -> list[str]:
    """Models that lie where nothing but the answer itself could put them.

    Below independent MD in energies or bond lengths, outside the intervals or tenfold; or closer to the reference than
    the mean of conditional MD can be.
    """
    known = {entry.id for entry in board.scores}
    limits = {
        score: ("independent MD", floor, max(floor.low, FAR_BELOW * floor.value))
        for score in LEAK_SCORES
        if score in known and (floor := board.cell("fresh-md", score)).status == "ok"
    }
    if board.row("conditional-md") is not None and "rmsd_angstrom" in known:
        floor = board.cell("conditional-md", "rmsd_angstrom")
        if floor.status == "ok":
            limits["rmsd_angstrom"] = ("what beads can tell: conditional MD has", floor, LEAST_RMSD * floor.low)
    return [
        f"Suspected leak: {row.name} scores {cell_text(row.cells[score])} in {score}, wholly below {what} "
        f"({cell_text(floor)}). A learned model gets there only by having seen the test atoms; check its training data."
        for score, (what, floor, limit) in limits.items()
        for row in board.rows
        if not row.control and row.cells[score].status == "ok" and row.cells[score].high < limit
    ]


def few_blocks(board: Board) -> list[str]:
    """Rows whose bootstrap had too few independent blocks for its intervals to be trusted."""
    rows = [row for row in board.rows if row.blocks < MINIMUM_BLOCKS]
    if not rows:
        return []
    counts = sorted({row.blocks for row in rows})
    if len(rows) == len(board.rows) and len(counts) == 1:
        text = f"The test split has {counts[0]} independent blocks (trajectories or stretches of them), fewer than"
        return [f"{text} {MINIMUM_BLOCKS}: intervals and ranks are rough."]
    names = ", ".join(f"{row.name} ({row.blocks})" for row in rows)
    return [f"Fewer than {MINIMUM_BLOCKS} independent blocks, so intervals are rough: {names}."]


def without_controls(board: Board) -> list[str]:
    """Control rows that were not run."""
    missing = missing_controls(board)
    if not missing:
        return []
    text = (
        f"Control rows missing: {', '.join(missing)}. Columns that need them for judging whether they can separate "
        "methods are not greyed; run the controls before comparing models."
    )
    return [text]
