"""Numbers of claims as people read them."""

from __future__ import annotations

import math

from backmapbench.board.boards import Cell
from backmapbench.board.numbers import cell_text, decimals
from backmapbench.studies.claims.evidence import Number
from backmapbench.studies.claims.spans import Span


def span_text(span: Span) -> str:
    """A value with its interval, "0.12 [0.10, 0.14]"; of a gain without an upper bound what is known of it."""
    if math.isfinite(span.value) and math.isfinite(span.low) and math.isfinite(span.high):
        return cell_text(Cell("ok", span.value, span.low, span.high))
    if math.isfinite(span.low):
        return f"at least {span.low:.{decimals(span.low, math.nan, math.nan)}f}"
    return cell_text(Cell("ok", span.value)) if math.isfinite(span.value) else "unbounded"


def number_text(number: Number) -> str:
    """A number with its row, "lookup 0.12 [0.10, 0.14]"."""
    return f"{number.row} {span_text(number.span) if number.span else '—'}"


def derived_text(derived: tuple[str, Span]) -> str:
    """A number made of others with its name."""
    name, span = derived
    return f"{name} {span_text(span)}"
