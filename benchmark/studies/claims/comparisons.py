"""What a comparison is, and what keeps it from a verdict: missing numbers, greyed scores, bars that all pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from backmapbench.board.greying import Grey
from backmapbench.studies.claims.evidence import Evidence, Number
from backmapbench.studies.claims.spans import CANNOT_TELL, NOT_UPHELD, UPHELD, Span, Verdict


@dataclass(frozen=True)
class Comparison:
    """One statement on one score.

    Attributes:
        where: tasks, in the order compared.
        score: what is compared, and ``row``, whose claim it is.
        statement: what has to hold.
        numbers: scores that enter, with their intervals.
        derived: what was made of them, by name (gains over a rival); empty where scores are compared as they are.
        verdict: and ``reason``, why.
        beside: whether it is of another row, shown beside the claim's.
        decides: whether there is anything to decide; not where row and rival both score 0.
    """

    where: tuple[str, ...]
    score: str
    row: str
    statement: str
    numbers: tuple[Number, ...]
    verdict: Verdict
    reason: str
    derived: tuple[tuple[str, Span], ...] = ()
    beside: bool = False
    decides: bool = True

    @property
    def counted(self) -> bool:
        """Whether the claim stands on it."""
        return self.decides and not self.beside


class Stoppable(Protocol):
    """A check that greying may stop."""

    @property
    def despite(self) -> Sequence[str]:
        """Causes of greying that do not stop it."""
        ...


def decided(made: Comparison, verdict: Verdict, words: Mapping[Verdict, str], unclear: str) -> Comparison:
    """The comparison with its verdict, and the reason for that by verdict; ``unclear``: where it cannot be told."""
    return replace(made, verdict=verdict, reason=words.get(verdict, unclear))


def unless_greyed(made: Comparison, check: Stoppable, greys: Sequence[Grey]) -> Comparison:
    """A difference between rows in a score that cannot tell methods apart says nothing either way."""
    stopping = _stopping(check, greys)
    return replace(made, verdict=CANNOT_TELL, reason=f"greyed: {stopping}") if stopping else made


def unless_passed_by_all(made: Comparison, check: Stoppable, evidence: Evidence, limit: float) -> Comparison:
    """What everybody passes supports nothing, but whoever fails it has failed."""
    if made.verdict == NOT_UPHELD:
        return made
    made = unless_greyed(made, check, evidence.greys(made.where[0], made.score))
    easy = evidence.passes_unknowing(made.where[0], made.score, limit) if made.verdict == UPHELD else ""
    return replace(made, verdict=CANNOT_TELL, reason=easy) if easy else made


def _stopping(check: Stoppable, greys: Sequence[Grey]) -> str:
    sentences = (grey.sentence.rstrip(".") for grey in greys if grey.cause not in check.despite)
    return "; ".join(dict.fromkeys(sentences))


def spans_of(numbers: Sequence[Number]) -> list[Span] | None:
    """The intervals of all numbers; None if one has none."""
    found = [number.span for number in numbers if number.span is not None and not number.reason]
    return found if len(found) == len(numbers) else None


def missing(numbers: Sequence[Number]) -> str:
    """Why numbers are missing, each reason once."""
    return "; ".join(dict.fromkeys(number.reason for number in numbers if number.reason))
