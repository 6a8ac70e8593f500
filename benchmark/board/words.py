"""Sentences and labels that the terminal, Markdown and the page share."""

from __future__ import annotations

from collections.abc import Sequence

from backmapbench.board.boards import Row, ScoreInfo
from backmapbench.board.numbers import cell_text
from backmapbench.board.standings import Standings


def heading(score: ScoreInfo) -> str:
    """Column heading: the score's id, with its unit where the id does not say it."""
    shown = score.unit and score.unit.lower() not in ("%", "kt", "angstrom", "å")
    return f"{score.id} ({score.unit})" if shown else score.id


def legend(standings: Standings) -> list[str]:
    """Why each greyed main score is greyed, one sentence each."""
    main = {score.id for score in standings.board.main_scores}
    return [
        f"{score} is {grey.cause}: {grey.sentence}"
        for score, causes in standings.greyed.items()
        if score in main
        for grey in causes
    ]


def not_applicable(standings: Standings) -> list[str]:
    """Metrics that no row of the task can have, with the reason."""
    board = standings.board
    lacking = [score for score in board.scores if score.main and not board.applies(score.id)]
    reasons = {score.id: next(iter(board.rows)).cells[score.id].reason for score in lacking}
    return [
        f"{score} does not apply here" + (f": {reason}" if reason else "") + "." for score, reason in reasons.items()
    ]


SKILL = (
    "1: indistinguishable from molecular dynamics; 0: no better than the control that knows nothing. The composite "
    "weighs every column alike and counts a failure as -1; the page lets the reader choose the weights."
)


def without_skill(standings: Standings) -> list[str]:
    """Why main scores that are not greyed have no skill, and whether the others' yardsticks are frozen."""
    main = [score.id for score in standings.board.main_scores if score.id in standings.yardsticks]
    reasons: dict[str, list[str]] = {}
    for name in main:
        if name not in standings.skills:
            reasons.setdefault(standings.yardsticks[name].reason, []).append(name)
    lines = [
        f"{', '.join(names)} {'have' if len(names) > 1 else 'has'} no skill: {reason}."
        for reason, names in reasons.items()
    ]
    loose = [name for name in main if name in standings.skills and not standings.yardsticks[name].frozen]
    if loose:
        lines.append(f"Measured by this board's own controls, not frozen with the task version: {', '.join(loose)}.")
    return lines


def ranked_text(standings: Standings, score: ScoreInfo, row: Row) -> str:
    """A cell in one line with its rank, "0.123 [0.110, 0.140] #2"."""
    rank = standings.rank(score.id, row.name)
    return cell_text(row.cells[score.id]) + (f" #{rank.rank}" if rank else "")


def failures(standings: Standings) -> list[tuple[Row, ScoreInfo, str]]:
    """Main scores that a row lacks because something went wrong, with the reason."""
    return [
        (row, score, row.cells[score.id].reason or "no reason was recorded")
        for row in standings.board.rows
        for score in standings.board.main_scores
        if row.cells[score.id].status in ("failed", "undefined")
    ]


STRUCTURE = (
    "rmsd_angstrom",
    "ged",
    "clash_percent",
    "clashscore",
    "bond_length_w1_angstrom",
    "angle_w1_degree",
    "torsion_jsd",
    "chirality_percent",
    "cis_omega_percent",
    "ring_planarity_angstrom",
    "lddt",
    "cg_consistency_angstrom",
    "rg_w1_angstrom",
    "energy_score_angstrom",
    "calibration",
    "diversity_angstrom",
)
"""Metrics that every task has, of single frames and geometry; all others judge ensembles and time."""
UNITS = {"angstrom": "Å", "percent": "%", "kt": "kT", "degree": "°"}
ACRONYMS = {word.lower(): word for word in ("RMSD", "GED", "W1", "FES", "JSD", "CG", "RMSE", "lDDT", "Rg")}


def grouped(scores: Sequence[ScoreInfo]) -> list[tuple[str, list[ScoreInfo]]]:
    """Scores under the two headings of the metric definitions, in their given order."""
    groups = {
        "Structure": [score for score in scores if score.metric in STRUCTURE],
        "Ensemble and time": [score for score in scores if score.metric not in STRUCTURE],
    }
    return [(title, found) for title, found in groups.items() if found]


def label(score: ScoreInfo) -> str:
    """An id as words, without its unit: "bond_length_w1_angstrom" is "Bond length W1"."""
    words = [word for word in score.id.split("_") if word not in UNITS]
    text = " ".join(ACRONYMS.get(word, word) for word in words)
    return text if words[0] in ACRONYMS else text[:1].upper() + text[1:]


def unit(score: ScoreInfo) -> str:
    """The unit as it is written."""
    return UNITS.get(score.unit.lower(), score.unit)
