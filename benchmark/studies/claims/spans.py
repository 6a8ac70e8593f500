"""Verdicts from intervals: a statement is upheld if it holds throughout them, and not if it holds nowhere in them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["upheld", "not upheld", "cannot tell"]
UPHELD: Verdict = "upheld"
NOT_UPHELD: Verdict = "not upheld"
CANNOT_TELL: Verdict = "cannot tell"


@dataclass(frozen=True)
class Span:
    """A value with its confidence interval, in one unit; bounds are NaN where there is no interval."""

    value: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        """Whether there is an interval; its upper bound may be infinite."""
        return not (math.isnan(self.low) or math.isnan(self.high))

    def times(self, factor: float) -> Span:
        """The span of ``factor`` (above 0) times the value."""
        return Span(factor * self.value, factor * self.low, factor * self.high)

    def at_least(self, least: float) -> Span:
        """The span of the value or ``least``, whichever is more."""
        return Span(max(self.value, least), max(self.low, least), max(self.high, least))


def below(left: Span, right: Span) -> Verdict:
    """Whether ``left`` lies below ``right``, anywhere in both intervals."""
    if not (left.known and right.known):
        return CANNOT_TELL
    if left.high < right.low:
        return UPHELD
    return NOT_UPHELD if left.low >= right.high else CANNOT_TELL


def at_most(span: Span, limit: float) -> Verdict:
    """Whether ``span`` lies at or below ``limit``, anywhere in its interval."""
    if not span.known or math.isnan(limit):
        return CANNOT_TELL
    if span.high <= limit:
        return UPHELD
    return NOT_UPHELD if span.low > limit else CANNOT_TELL


def every(verdicts: Iterable[Verdict]) -> Verdict:
    """Whether all of several statements hold: one that does not refutes them, one that cannot be told leaves them open.

    Of nothing it cannot be told.
    """
    found = set(verdicts)
    if NOT_UPHELD in found:
        return NOT_UPHELD
    return UPHELD if found == {UPHELD} else CANNOT_TELL


def ratio(above: Span, under: Span) -> Span:
    """How many times as large as ``under`` (at least 0) ``above`` (at least 0) is, by interval arithmetic.

    Wider than the two need be where their errors are correlated, so a verdict drawn from it errs on the side of
    "cannot tell". Where ``under`` may be 0 there is no upper bound.
    """
    if not (above.known and under.known):
        return Span(_quotient(above.value, under.value, math.nan), math.nan, math.nan)
    low, high = _quotient(above.low, under.high, 0.0), _quotient(above.high, under.low, math.inf)
    return Span(_quotient(above.value, under.value, math.nan), low, high)


def difference(above: Span, under: Span) -> Span:
    """``above`` minus ``under``, by interval arithmetic; see ``ratio``."""
    return Span(above.value - under.value, above.low - under.high, above.high - under.low)


def hull(spans: Iterable[Span]) -> Span:
    """The smallest interval that contains all, about the mean of their values; without one where any has none."""
    found = list(spans)
    mean = sum(span.value for span in found) / len(found)
    if not all(span.known for span in found):
        return Span(mean, math.nan, math.nan)
    return Span(mean, min(span.low for span in found), max(span.high for span in found))


def _quotient(above: float, under: float, undefined: float) -> float:
    """``above / under``, infinite for something over 0 and ``undefined`` for 0 over 0."""
    if under == 0.0:
        return undefined if above == 0.0 else math.inf
    return above / under
