"""Columns that cannot tell methods apart on a task, found from its control rows alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backmapbench.board.boards import Board, Cause, Cell, ScoreInfo
from backmapbench.board.cards import known_card
from backmapbench.board.frozen import Frozen

TOLERANCE = 1e-6
"""Two errors count as the same within this share of the score's scale."""
NEVER_GREYED = "cg_consistency_angstrom"
DEFAULT_NULL = "jitter-0.3"
NULLS = {
    "rmsd_angstrom": "bead-centre",
    "ged": "bead-centre",
    "timescale_log_error": "shuffled",
    "eigenvector_error": "shuffled",
    "hidden_torsion_timescale_log_error": "shuffled",
    "velocity_w1": "shuffled",
    "frame_jump": "shuffled",
    "energy_score_angstrom": "bead-centre",
    "calibration": "bead-centre",
}
"""The control that an informed method must beat, by metric, unless the task card names another (``null`` in the
metric's table); every other metric has ``DEFAULT_NULL``. Metrics of several samples take bead centre: jitter is one."""
NEEDED = ("oracle", "fresh-md", "bead-centre", "shuffled", "mirror", "jitter-0.05", "jitter-0.1", "jitter-0.3")
"""Controls without which greying is incomplete."""
TRUE = ("oracle", "fresh-md", "conditional-md")
"""Controls that cannot be bettered: only where one of them scores as the others do, nothing can be told apart."""


@dataclass(frozen=True)
class Grey:
    """Why a column is greyed: the rule and a sentence for the reader."""

    cause: Cause
    sentence: str


def missing_controls(board: Board) -> list[str]:
    """Control rows that the greying rules need and the board lacks."""
    return [name for name in NEEDED if board.row(name) is None]


def find_greyed(board: Board, frozen: Frozen | None = None) -> dict[str, tuple[Grey, ...]]:
    """Greyed scores by id, with the rules that each falls under.

    A column that is ``frozen`` with the task's version is greyed as it was then, whatever the board's own controls
    say; of others, a rule whose control rows are missing is not applied.
    """
    found = {}
    for score in board.scores:
        if score.ranked and score.metric != NEVER_GREYED:
            kept = frozen.of(score) if frozen else None
            causes = tuple(Grey(grey.cause, grey.sentence) for grey in kept.greyed) if kept else _causes(board, score)
            if causes:
                found[score.id] = causes
    return found


def _causes(board: Board, score: ScoreInfo) -> tuple[Grey, ...]:
    nothing = _uninformative(board, score)  # where it holds the other two hold trivially
    rules = (nothing,) if nothing else (_fixed(board, score), _underpowered(board, score))
    return tuple(grey for grey in rules if grey is not None)


def null_row(board: Board, metric: str) -> str:
    """Name of the control that marks "no better than uninformed" for ``metric``: the card's choice, or the usual."""
    card = known_card(board)
    named = card.metrics.get(metric, {}).get("null") if card else None
    return str(named) if named else NULLS.get(metric, DEFAULT_NULL)


def scale(board: Board, score: str) -> float:
    """Largest finite error among the control rows, 1 if there is none above zero."""
    values = [abs(row.cells[score].value) for row in board.rows if row.control]
    return max([value for value in values if np.isfinite(value)], default=0.0) or 1.0


def _uninformative(board: Board, score: ScoreInfo) -> Grey | None:
    if missing_controls(board):
        return None
    cells = {row.name: row.cells[score.id] for row in board.rows if row.control}
    if any(cell.status not in ("ok", "no pair", "not applicable") for cell in cells.values()):
        return None
    known = {name: cell.value for name, cell in cells.items() if cell.status == "ok"}
    values = list(known.values())
    if len(values) < 2 or not known.keys() & set(TRUE) or np.ptp(values) > TOLERANCE * scale(board, score.id):
        return None
    return Grey(
        "uninformative",
        f"every control row scores {values[0]:.4g} here, good and bad ones alike: the score has nothing to measure on "
        "this task.",
    )


def _fixed(board: Board, score: ScoreInfo) -> Grey | None:
    oracle, beads = _value(board.cell("oracle", score.id)), _value(board.cell("bead-centre", score.id))
    if oracle is None or beads is None or abs(beads - oracle) > TOLERANCE * scale(board, score.id):
        return None
    return Grey(
        "fixed by the input",
        "placing every atom on its bead scores the same as the true atoms: the score depends on the beads alone, which "
        "every method is given.",
    )


def _underpowered(board: Board, score: ScoreInfo) -> Grey | None:
    fresh, name = board.cell("fresh-md", score.id), null_row(board, score.metric)
    null = _value(board.cell(name, score.id))
    if fresh.status != "ok" or null is None or not fresh.low <= null <= fresh.high:
        return None
    return Grey(
        "underpowered",
        f"the uninformed control '{name}' ({null:.3g}) lies inside the interval of independent MD "
        f"[{fresh.low:.3g}, {fresh.high:.3g}]: the test split is too short to tell the two apart.",
    )


def _value(cell: Cell) -> float | None:
    return cell.value if cell.status == "ok" else None
