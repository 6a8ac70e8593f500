"""A board as files for other programs: every score of every row, at full precision."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from typing import Any

from backmapbench.board.boards import CONFIDENCE, Row, ScoreInfo
from backmapbench.board.standings import Standings

FIELDS = (
    "task",
    "version",
    "row",
    "kind",
    "seeds",
    "score",
    "unit",
    "value",
    "low",
    "high",
    "rank",
    "tie_group",
    "skill",
    "status",
    "greyed",
    "reason",
)
SCHEMA_VERSION = 2


def render_csv(boards: Sequence[Standings]) -> str:
    """Every score of every row, one a line, at full precision; columns as in ``FIELDS``."""
    out = io.StringIO()
    writer = csv.DictWriter(out, FIELDS, lineterminator="\n")
    writer.writeheader()
    for standings in boards:
        for row in standings.board.rows:
            for score in standings.board.scores:
                entry = _entry(standings, score, row)
                greyed = "; ".join(grey.cause for grey in standings.greyed.get(score.id, ()))
                line = {
                    "task": standings.board.task,
                    "version": standings.board.version,
                    "row": row.name,
                    "kind": row.model.kind,
                    "seeds": " ".join(str(seed) for seed in row.seeds),
                    "score": score.id,
                    "unit": score.unit,
                    "greyed": greyed,
                }
                writer.writerow(line | {key: "" if value is None else value for key, value in entry.items()})
    return out.getvalue()


def render_json(boards: Sequence[Standings]) -> str:
    """The same content nested by task, row and score, with costs and provenance."""
    content = {"schema_version": SCHEMA_VERSION, "confidence": CONFIDENCE, "boards": [_nested(each) for each in boards]}
    return json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False)


def _nested(standings: Standings) -> dict[str, Any]:
    board = standings.board
    return {
        "task": board.task,
        "version": board.version,
        "notices": [{"level": notice.level, "text": notice.text} for notice in standings.notices],
        "scores": [
            {
                "id": score.id,
                "metric": score.metric,
                "version": score.version,
                "unit": score.unit,
                "ranked": score.ranked,
                "distance": score.distance,
                "summary": score.summary,
                "greyed": [
                    {"cause": grey.cause, "reason": grey.sentence} for grey in standings.greyed.get(score.id, ())
                ],
                "skill": _yardstick(standings, score),
            }
            for score in board.scores
        ],
        "rows": [
            {
                "name": row.name,
                "kind": row.model.kind,
                "description": row.model.description,
                "looks_ahead": row.model.looks_ahead,
                "seeds": list(row.seeds),
                "blocks": row.blocks,
                "cost": row.cost.model_dump(),
                "provenance": row.records[0].provenance,
                "scores": {score.id: _entry(standings, score, row) for score in board.scores},
            }
            for row in board.rows
        ],
    }


def _yardstick(standings: Standings, score: ScoreInfo) -> dict[str, Any] | None:
    """What skill in a column is measured by, or the reason why it has none; None for greyed or descriptive columns."""
    found = standings.yardsticks.get(score.id)
    if found is None:
        return None
    return {
        "null_row": found.null_row,
        "null": _finite(found.null),
        "floor_row": found.floor_row,
        "floor": _finite(found.floor),
        "resolution": found.resolution,
        "frozen": found.frozen,
        "undefined": found.reason,
    }


def _entry(standings: Standings, score: ScoreInfo, row: Row) -> dict[str, Any]:
    cell, rank = row.cells[score.id], standings.rank(score.id, row.name)
    return {
        "value": _finite(cell.value),
        "low": _finite(cell.low),
        "high": _finite(cell.high),
        "rank": rank.rank if rank else None,
        "tie_group": rank.group if rank else None,
        "skill": standings.skill(score.id, row.name),
        "status": cell.status,
        "reason": cell.reason,
    }


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
