"""One comparison of a check: numbers, a verdict and the reason for it. Pure functions of what the evidence holds."""

from __future__ import annotations

import math
from dataclasses import replace

from backmapbench.metrics.resolutions import resolution
from backmapbench.studies.claims import spans
from backmapbench.studies.claims.comparisons import (
    Comparison,
    decided,
    missing,
    spans_of,
    unless_greyed,
    unless_passed_by_all,
)
from backmapbench.studies.claims.evidence import Evidence
from backmapbench.studies.claims.papers import AtMost, Below, Bracket, Contrast, Gain, Grows, Within
from backmapbench.studies.claims.spans import CANNOT_TELL, NOT_UPHELD, UPHELD, Span

UNCLEAR = "the interval reaches to both sides"


def within(check: Within, evidence: Evidence, task: str, score: str, row: str) -> Comparison:
    """A row against what molecular dynamics itself scores. The yardstick's bound is an allowance, taken as exact."""
    number, yardstick = evidence.number(task, score, row), evidence.number(task, score, check.yardstick)
    statement = f"at most {check.factor:g} times the upper bound of {check.yardstick}"
    made = Comparison((task,), score, row, statement, (number, yardstick), CANNOT_TELL, "")
    if (found := spans_of(made.numbers)) is None:
        return replace(made, reason=missing(made.numbers))
    known = {each.id: each.metric for each in evidence.boards[task].scores}
    limit = check.factor * max(found[1].high, resolution(score, known[score]))
    words = {UPHELD: f"its interval ends below {limit:.3g}", NOT_UPHELD: f"its interval begins above {limit:.3g}"}
    told = decided(made, spans.at_most(found[0], limit), words, f"{UNCLEAR} of {limit:.3g}")
    return unless_passed_by_all(told, check, evidence, limit)


def at_most(check: AtMost, evidence: Evidence, task: str, score: str, row: str) -> Comparison:
    """A row against a number."""
    number = evidence.number(task, score, row)
    made = Comparison((task,), score, row, f"at most {check.limit:g}", (number,), CANNOT_TELL, "")
    if (found := spans_of(made.numbers)) is None:
        return replace(made, reason=missing(made.numbers))
    words = {UPHELD: "its interval ends below that", NOT_UPHELD: "its interval begins above that"}
    told = decided(made, spans.at_most(found[0], check.limit), words, f"{UNCLEAR} of that")
    return unless_passed_by_all(told, check, evidence, check.limit)


def below(check: Below, evidence: Evidence, task: str, score: str, row: str, rival: str) -> Comparison:
    """A row against another on the same task; not counted where both have no error to speak of."""
    numbers = (evidence.number(task, score, row), evidence.number(task, score, rival))
    factor = "" if check.factor == 1.0 else f"{check.factor:g} times its value "
    made = Comparison((task,), score, row, f"{factor}below {rival}", numbers, CANNOT_TELL, "")
    if (found := spans_of(numbers)) is None:
        return replace(made, reason=missing(numbers))
    known = {each.id: each.metric for each in evidence.boards[task].scores}
    least = resolution(score, known[score])
    left, right = found[0].times(check.factor).at_least(least), found[1].at_least(least)
    words = {UPHELD: "the intervals are apart", NOT_UPHELD: f"its interval lies nowhere below that of {rival}"}
    told = decided(made, spans.below(left, right), words, "the intervals overlap")
    if right.high <= least:
        none = f"{rival} has no error above the score's resolution of {least:g}"
        if left.high <= least:
            return replace(made, reason=f"{none}, nor has the row: there is nothing to compare", decides=False)
        if left.low <= least:
            told = replace(made, reason=f"{none}, so that nothing can be below it")
    elif right.low <= least and told.verdict == CANNOT_TELL:
        told = replace(told, reason=f"the interval of {rival} reaches down to the score's resolution of {least:g}")
    return unless_greyed(told, check, evidence.greys(task, score))


def grows(check: Grows, evidence: Evidence, pair: tuple[str, str], score: str, row: str, rival: str) -> Comparison:
    """A row's gain over a rival on two tasks, of which the second has the larger beads."""
    numbers = tuple(evidence.number(task, score, name) for task in pair for name in (row, rival))
    statement = f"the gain over {rival} ({_words(check.gain)}) is larger on the second"
    made = Comparison(pair, score, row, statement, numbers, CANNOT_TELL, "")
    if (found := spans_of(numbers)) is None:
        return replace(made, reason=missing(numbers))
    small, large = _gain(check.gain, found[0], found[1]), _gain(check.gain, found[2], found[3])
    made = replace(made, derived=((f"gain on {pair[0]}", small), (f"gain on {pair[1]}", large)))
    words = {UPHELD: "the intervals of the gains are apart", NOT_UPHELD: "the gain is nowhere larger on the second"}
    told = decided(made, spans.below(small, large), words, "the intervals of the gains overlap")
    return unless_greyed(told, check, [grey for task in pair for grey in evidence.greys(task, score)])


def contrast(
    check: Contrast, evidence: Evidence, bracket: Bracket, score: str, row: str, rival: str | None
) -> Comparison:
    """A row's error, or gain over ``rival``, against all that lies between two tasks of another molecule.

    At equal bead size the other molecule's value lies between those at smaller and larger beads, so that no two bead
    sizes need agree.
    """
    tasks = (bracket.task, *bracket.between)
    names = (row,) if rival is None else (row, rival)
    numbers = tuple(evidence.number(task, score, name) for task in tasks for name in names)
    what = f"the gain over {rival} ({_words(check.gain or 'ratio')})" if rival else "the error"
    statement = f"{what} on the first lies {check.side} all between the other two"
    made = Comparison(tasks, score, row, statement, numbers, CANNOT_TELL, "")
    if (found := spans_of(numbers)) is None:
        return replace(made, reason=missing(numbers))
    values = found
    if check.gain is not None and rival is not None:
        values = [_gain(check.gain, *found[2 * index : 2 * index + 2]) for index in range(len(tasks))]
        made = replace(made, derived=tuple((f"gain on {task}", each) for task, each in zip(tasks, values, strict=True)))
    first, others = values[0], spans.hull(values[1:])
    verdict = spans.below(first, others) if check.side == "below" else spans.below(others, first)
    words = {UPHELD: "the intervals are apart", NOT_UPHELD: f"the first lies nowhere {check.side} the others"}
    told = decided(made, verdict, words, "the intervals overlap")
    return unless_greyed(told, check, [grey for task in tasks for grey in evidence.greys(task, score)])


def _words(gain: Gain) -> str:
    return "its error over the row's" if gain == "ratio" else "its error minus the row's"


def _gain(gain: Gain, row: Span, rival: Span) -> Span:
    found = spans.ratio(rival, row) if gain == "ratio" else spans.difference(rival, row)
    return Span(math.nan, found.low, found.high) if math.isinf(found.value) else found
