"""The board as one static page: no network, no other files, readable without JavaScript."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
from markupsafe import Markup

from backmapbench import __name__ as suite
from backmapbench.board import numbers
from backmapbench.board.boards import CONFIDENCE, Row, ScoreInfo
from backmapbench.board.cards import known_card
from backmapbench.board.figures import Plot, row_colours
from backmapbench.board.greying import Grey
from backmapbench.board.standings import Standings
from backmapbench.board.words import failures, grouped, label, unit

KINDS = (("Models", False), ("Controls", True))


@dataclass(frozen=True)
class Section:
    """One task on the page."""

    standings: Standings
    plots: Sequence[Plot]


def render_page(sections: Sequence[Section]) -> str:
    """The whole page as HTML; everything that comes from records is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("backmapbench.board", ""),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["breakable"] = _breakable
    environment.filters["letter"] = _letter
    boards = [_content(section) for section in sections]
    template = environment.get_template("page.html.jinja")
    return template.render(suite=suite, boards=boards, confidence=f"{100 * CONFIDENCE:g} %")


def _content(section: Section) -> dict[str, Any]:
    standings, board = section.standings, section.standings.board
    card = known_card(board)
    main = [score.id for score in board.main_scores]
    others = [score for score in board.scores if score.id not in main]
    shared, differing = _provenance(board.rows)
    return {
        "task": board.task,
        "version": board.version,
        "notices": standings.notices,
        "title": card.title if card else "",
        "tables": [_table(standings, title, scores) for title, scores in grouped(board.main_scores)],
        "others": _table(standings, "Variants and descriptive numbers", others) if others else None,
        "failures": failures(standings),
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
    return {
        "status": cell.status,
        "reason": cell.reason,
        "sort": repr(cell.value) if scored else "",
        "value": numbers.value_text(cell) if scored else "",
        "interval": numbers.interval_text(cell) if scored else "",
        "rank": rank.rank if rank else None,
        "best": rank is not None and not row.control and rank.rank == _best_model(standings, score),
        "greyed": score.id in standings.greyed,
    }


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


def _breakable(name: str) -> Markup:
    """An id that may break over lines after its underscores."""
    return Markup("_<wbr>").join(str(name).split("_"))
