"""Numbers as people read them: no more digits than the interval or a glance supports."""

from __future__ import annotations

import math

from backmapbench.board.boards import Cell

DIGITS = 3
"""Significant digits of a value at most; the files beside the page have them all."""
TINY = 1e-4
"""Below this values are written in scientific notation."""


def decimals(value: float, low: float, high: float) -> int:
    """Decimals that show two digits of the interval's width, and of the value at least one digit and at most three."""
    most = _decimals(value, DIGITS)
    width = high - low
    if not math.isfinite(width) or width <= 0.0:
        return most
    return max(_decimals(value, 1), min(most, _decimals(width, 2)))


def value_text(cell: Cell) -> str:
    """The value of a cell that is "ok"; an exact 0 is "0"."""
    return _number(cell.value, decimals(cell.value, cell.low, cell.high), tiny=_tiny(cell))


def interval_text(cell: Cell) -> str:
    """The interval of a cell, "[low, high]"; empty where there is none."""
    if not (math.isfinite(cell.low) and math.isfinite(cell.high)):
        return ""
    # Of a value that is exactly 0 the upper bound says how many decimals matter.
    places = decimals(cell.value or cell.high, cell.low, cell.high)
    bounds = ((bound, min(places, _decimals(bound, DIGITS))) for bound in (cell.low, cell.high))
    low, high = (_number(bound, digits, tiny=_tiny(cell)) for bound, digits in bounds)
    return f"[{low}, {high}]"


def cell_text(cell: Cell) -> str:
    """A cell in one line: "0.123 [0.110, 0.140]", or its status."""
    if cell.status == "ok":
        return f"{value_text(cell)} {interval_text(cell)}".rstrip()
    return "\N{EM DASH}" if cell.status == "not scored" else cell.status


def skill_text(skill: float | None) -> str:
    """A skill with its two meaningful decimals; a dash where there is none."""
    if skill is None or not math.isfinite(skill):
        return "\N{EM DASH}"
    return f"{round(skill, 2) + 0.0:.2f}"


def seconds(value: float) -> str:
    """A duration with a unit that keeps it readable."""
    for size, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.1g} s"


def _decimals(size: float, digits: int) -> int:
    if not math.isfinite(size) or size == 0.0:
        return 0
    return max(0, digits - 1 - math.floor(math.log10(abs(size))))


def _tiny(cell: Cell) -> bool:
    """Whether nothing of the cell would be left in decimals."""
    return max(abs(cell.value), abs(cell.high) if math.isfinite(cell.high) else 0.0) < TINY


def _number(value: float, places: int, *, tiny: bool) -> str:
    if value == 0.0:
        return "0"
    return f"{value:.1e}" if tiny else f"{round(value, places) + 0.0:.{places}f}"
