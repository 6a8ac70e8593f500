"""The board as one static page: no network, readable without JavaScript, linked to the definitions beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backmapbench import __name__ as suite
from backmapbench.blocks import MINIMUM_BLOCKS
from backmapbench.board import numbers
from backmapbench.board.boards import CONFIDENCE, Row, ScoreInfo
from backmapbench.board.cards import known_card
from backmapbench.board.composites import composite, composite_data, row_skills
from backmapbench.board.definitions import definition_link
from backmapbench.board.figures import Plot, row_colours
from backmapbench.board.greying import Grey
from backmapbench.board.standings import Standings
from backmapbench.board.templates import environment
from backmapbench.board.words import SKILL, failures, grouped, label, not_applicable, unit, without_skill

KINDS = (("Models", False), ("Controls", True))


@dataclass(frozen=True)
class Section:
    """One task on the page."""

    standings: Standings
    plots: Sequence[Plot]


def render_page(sections: Sequence[Section], claims: str | None = None) -> str:
    """The whole page as HTML; everything that comes from records is escaped. ``claims``: page to link to."""
    templates = environment()
    templates.filters |= {"letter": _letter, "definition": definition_link}
    boards = [_content(section) for section in sections]
    template = templates.get_template("page.html.jinja")
    return template.render(
        suite=suite,
        boards=boards,
        claims=claims,
        confidence=f"{100 * CONFIDENCE:g} %",
        minimum_blocks=MINIMUM_BLOCKS,
    )


def _content(section: Section) -> dict[str, Any]:
    standings, board = section.standings, section.standings.board
    card = known_card(board)
    main = [score.id for score in board.main_scores]
    others = [score for score in board.scores if score.id not in main and board.applies(score.id)]
    shared, differing = _provenance(board.rows)
    return {
        "task": board.task,
        "version": board.version,
        "notices": standings.notices,
        "title": card.title if card else "",
        "tables": [_table(standings, title, scores) for title, scores in grouped(board.main_scores)],
        "others": _table(standings, "Variants and descriptive numbers", others) if others else None,
        "skill": _skill(standings),
        "failures": failures(standings),
        "not_applicable": not_applicable(standings),
        "scores": board.scores,
        "rows": board.rows,
        "colours": row_colours(board),
        "seconds": numbers.seconds,
        "plots": section.plots,
        "shared": shared,
        "differing": differing,
    }


def _table(standings: Standings, title: str, scores: Sequence[ScoreInfo]) -> dict[str, Any]:
    """Columns and, by kind of row, cells of one table; letters tie greyed columns to notes that they may share."""
    notes: dict[tuple[Grey, ...], list[ScoreInfo]] = {}
    for score in scores:
        if score.id in standings.greyed:
            notes.setdefault(standings.greyed[score.id], []).append(score)
    letters = {score.id: _letter(index) for index, sharing in enumerate(notes.values()) for score in sharing}
    columns = [
        {
            "id": score.id,
            "label": label(score),
            "unit": unit(score),
            "summary": score.summary,
            "ranked": score.ranked,
            "note": letters.get(score.id),
            "metric": score.metric,
        }
        for score in scores
    ]
    groups = []
    for kind, control in KINDS:
        rows = [row for row in standings.board.rows if row.control == control]
        if rows:
            groups.append((kind, [(row, [_cell(standings, score, row) for score in scores]) for row in rows]))
    return {"title": title, "columns": columns, "groups": groups, "notes": list(notes.items())}


def _cell(standings: Standings, score: ScoreInfo, row: Row) -> dict[str, Any]:
    cell, rank = row.cells[score.id], standings.rank(score.id, row.name)
    scored = cell.status == "ok"
    tied = [name for name, other in standings.ranks.get(score.id, {}).items() if other == rank and name != row.name]
    return {
        "status": cell.status,
        "reason": cell.reason,
        "sort": repr(cell.value) if scored else "",
        "value": numbers.value_text(cell) if scored else "",
        "interval": numbers.interval_text(cell) if scored else "",
        "rank": f"{'=' if tied else ''}{rank.rank}" if rank else None,
        "place": (f"rank {rank.rank}" + (f", tied with {', '.join(tied)}" if tied else "")) if rank else "",
        "best": rank is not None and not row.control and rank.rank == _best_model(standings, score),
        "greyed": score.id in standings.greyed,
    }


def _skill(standings: Standings) -> dict[str, Any] | None:
    """Skills by row with the composite of equal weights, and what the page's script weighs them by; None if none."""
    columns = [score for score in standings.board.main_scores if score.id in standings.skills]
    reasons = without_skill(standings)
    if not columns:
        return {"columns": [], "groups": [], "notes": reasons, "words": SKILL, "data": None} if reasons else None
    groups = []
    for kind, control in KINDS:
        rows = []
        for row in (each for each in standings.board.rows if each.control == control):
            skills = row_skills(standings, row)
            shown = [composite(skills, dict.fromkeys(skills, 1.0)), *(skills.get(score.id) for score in columns)]
            rows.append((row, [(numbers.skill_text(skill), skill) for skill in shown]))
        if rows:
            groups.append((kind, rows))
    heads = [{"id": score.id, "label": label(score), "measure": _measure(standings, score)} for score in columns]
    return {"columns": heads, "groups": groups, "notes": reasons, "words": SKILL, "data": composite_data(standings)}


def _measure(standings: Standings, score: ScoreInfo) -> str:
    """What 0 and 1 are in a column of skills."""
    found = standings.yardsticks[score.id]
    origin = f"frozen with version {standings.board.version}" if found.frozen else "of this board's controls"
    return f"0 at {found.null:.3g} ({found.null_row}), 1 at {found.best:.3g} ({found.floor_row}); {origin}"


def _best_model(standings: Standings, score: ScoreInfo) -> int | None:
    """Rank of the best model that was scored."""
    rows = [row for row in standings.board.rows if not row.control and row.cells[score.id].status == "ok"]
    ranks = [standings.rank(score.id, row.name) for row in rows]
    return min((rank.rank for rank in ranks if rank is not None), default=None)


def _provenance(rows: Sequence[Row]) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Provenance entries that all records share, and by row those that differ."""
    flat = {
        f"{row.name}, seed {record.seed}": _flatten(record.provenance | {"replicates": record.replicates})
        for row in rows
        for record in row.records
    }
    keys = list(dict.fromkeys(key for entries in flat.values() for key in entries))
    shared, differing = {}, {name: dict[str, str]() for name in flat}
    for key in keys:
        values = {entries.get(key, "") for entries in flat.values()}
        if len(values) == 1:
            shared[key] = values.pop()
            continue
        for name, entries in flat.items():
            differing[name][key] = entries.get(key, "")
    return shared, differing if any(differing.values()) else {}


def _flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{key} / ")
        else:
            flat[f"{prefix}{key}".replace("_", " ")] = str(value)
    return flat


def _letter(index: int) -> str:
    return chr(ord("a") + index) if index < 26 else f"{_letter(index // 26 - 1)}{_letter(index % 26)}"
