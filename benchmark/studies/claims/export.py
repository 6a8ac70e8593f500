"""Claims and verdicts as JSON, every number at full precision."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from backmapbench.board.boards import CONFIDENCE
from backmapbench.studies.claims.comparisons import Comparison
from backmapbench.studies.claims.spans import Span
from backmapbench.studies.claims.verdicts import Checked, JudgedPaper

SCHEMA_VERSION = 1


def render_json(judged: Sequence[JudgedPaper]) -> str:
    """Papers, claims, checks and comparisons; None where a number is not finite."""
    content = {"schema_version": SCHEMA_VERSION, "confidence": CONFIDENCE, "papers": [_paper(each) for each in judged]}
    return json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False)


def _paper(judged: JudgedPaper) -> dict[str, Any]:
    paper = judged.paper
    return {
        "paper": paper.paper,
        "title": paper.title,
        "citation": paper.citation,
        "claims": [
            {
                "id": each.claim.id,
                "text": each.claim.text,
                "source": each.claim.source,
                "note": each.claim.note,
                "verdict": each.verdict,
                "counts": each.counts,
                "reasons": each.reasons,
                "checks": [_check(checked) for checked in each.checked],
            }
            for each in judged.judged
        ],
    }


def _check(checked: Checked) -> dict[str, Any]:
    return {
        "label": checked.label,
        "verdict": checked.verdict,
        "note": checked.note,
        "comparisons": [_comparison(each) for each in checked.comparisons],
    }


def _comparison(made: Comparison) -> dict[str, Any]:
    return {
        "tasks": list(made.where),
        "score": made.score,
        "row": made.row,
        "statement": made.statement,
        "verdict": made.verdict,
        "reason": made.reason,
        "counted": made.counted,
        "beside": made.beside,
        "numbers": [
            {"row": each.row, "task": each.task, "score": each.score, "reason": each.reason, **_span(each.span)}
            for each in made.numbers
        ],
        "derived": [{"name": name, **_span(span)} for name, span in made.derived],
    }


def _span(span: Span | None) -> dict[str, float | None]:
    values = (math.nan,) * 3 if span is None else (span.value, span.low, span.high)
    return {
        name: float(value) if math.isfinite(value) else None
        for name, value in zip(("value", "low", "high"), values, strict=True)
    }
