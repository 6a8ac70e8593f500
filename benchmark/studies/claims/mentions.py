"""Tasks, rows and scores that checks speak of."""

from __future__ import annotations

from collections.abc import Iterable

from backmapbench.studies.claims.papers import (
    AtMost,
    Below,
    Check,
    Contrast,
    Grows,
    NoData,
    Scored,
    Training,
    Within,
)


def tasks_of(checks: Iterable[Check]) -> list[str]:
    """Tasks that checks look at, each once, in their order."""
    found: dict[str, None] = {}
    for check in checks:
        if isinstance(check, Within | AtMost | Below):
            found |= dict.fromkeys(check.tasks)
        elif isinstance(check, Grows):
            found |= dict.fromkeys(task for series in check.series for task in series)
        elif isinstance(check, Contrast):
            found |= dict.fromkeys(task for each in check.brackets for task in (each.task, *each.between))
    return list(found)


def rows_of(checks: Iterable[Check]) -> list[str]:
    """Rows that checks look at, each once, in their order."""
    found: dict[str, None] = {}
    for check in checks:
        if not isinstance(check, Training | NoData):
            yardsticks = (check.yardstick,) if isinstance(check, Within) else ()
            found |= dict.fromkeys((check.row, *rivals_of(check), *yardsticks, *check.beside))
    return list(found)


def scores_of(checks: Iterable[Check]) -> list[str]:
    """Scores that checks look at, each once, in their order."""
    found = (check.scores for check in checks if not isinstance(check, Training | NoData))
    return list(dict.fromkeys(score for scores in found for score in scores))


def rivals_of(check: Scored) -> tuple[str, ...]:
    """Rows that the check's row is held against on the same task; empty where it has none."""
    return () if isinstance(check, Within | AtMost) else check.rivals
