"""Composites: weighted means of skill, made when a board is shown and never stored; the weights are the reader's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from backmapbench.board.boards import Row
from backmapbench.board.standings import Standings
from backmapbench.board.words import label

FAILED = -1.0
"""Skill of a score that a row failed at: no better than the worst."""


def composite(skills: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """Mean of ``skills`` by score id, weighted by ``weights`` by score id (0 where absent; negative ones count as 0).

    Scores that a row cannot have (no pair, not applicable) are left out of both sums. NaN where nothing is left.
    """
    used = {name: max(0.0, weights.get(name, 0.0)) for name, skill in skills.items() if math.isfinite(skill)}
    total = sum(used.values())
    return sum(weight * skills[name] for name, weight in used.items()) / total if total > 0 else float("nan")


def row_skills(standings: Standings, row: Row) -> dict[str, float]:
    """Skill of ``row`` in every main score that has one, by score id; a score it failed at counts as ``FAILED``."""
    found = {}
    for score in standings.board.main_scores:
        if score.id in standings.skills:
            failed = row.cells[score.id].status in ("failed", "undefined")
            found[score.id] = FAILED if failed else standings.skills[score.id].get(row.name, float("nan"))
    return {name: skill for name, skill in found.items() if not math.isnan(skill)}


def composite_data(standings: Standings) -> dict[str, Any]:
    """What the page's script needs to weigh skills: columns, and rows with a skill (or null) per column.

    Goes into the page as JSON; the oracle is left out, since it is 1 by definition.
    """
    scores = [score for score in standings.board.main_scores if score.id in standings.skills]
    columns = [score.id for score in scores]
    rows = []
    for row in standings.board.rows:
        if row.name != "oracle":
            skills = row_skills(standings, row)
            rows.append({"name": row.name, "kind": row.model.kind, "skills": [skills.get(name) for name in columns]})
    return {
        "task": standings.board.task,
        "columns": columns,
        "labels": [label(score) for score in scores],
        "rows": rows,
    }
