"""From claims to verdicts: every check with its comparisons, every claim with the reason for its verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product

from backmapbench.board.boards import CONTROL_ORDER
from backmapbench.errors import UnknownNameError
from backmapbench.metrics.registry import METRICS, metric_class
from backmapbench.studies.claims import checks
from backmapbench.studies.claims.comparisons import Comparison
from backmapbench.studies.claims.costs import training
from backmapbench.studies.claims.evidence import Evidence, Number
from backmapbench.studies.claims.mentions import rivals_of, rows_of, scores_of, tasks_of
from backmapbench.studies.claims.papers import (
    AtMost,
    Below,
    Check,
    Claim,
    Grows,
    NoData,
    Paper,
    Scored,
    Training,
    Within,
)
from backmapbench.studies.claims.spans import CANNOT_TELL, UPHELD, Verdict, every
from backmapbench.submissions.registry import installed_models
from backmapbench.tasks.card import task_names


@dataclass(frozen=True)
class Checked:
    """A check, against one rival if it has rivals; ``note`` says why a greyed score counts, or how sure numbers are."""

    label: str
    verdict: Verdict
    comparisons: tuple[Comparison, ...]
    note: str = ""

    @property
    def counted(self) -> list[Comparison]:
        """Comparisons that the verdict stands on."""
        return [each for each in self.comparisons if each.counted]

    @property
    def deciding(self) -> list[Comparison]:
        """Comparisons that tell why the verdict is what it is; the undecided ones where there are no others."""
        told = self.counted or [each for each in self.comparisons if not each.beside]
        return [each for each in told if each.verdict == self.verdict]


@dataclass(frozen=True)
class Judged:
    """A claim with its verdict: that all of its checks hold."""

    claim: Claim
    checked: tuple[Checked, ...]

    @property
    def verdict(self) -> Verdict:
        """Upheld if every comparison is, not upheld if one is not."""
        return every(each.verdict for each in self.checked)

    @property
    def counts(self) -> str:
        """How many comparisons came out which way."""
        found = [each.verdict for check in self.checked for each in check.counted]
        return f"{found.count(UPHELD)} of {len(found)} comparisons upheld, {found.count(CANNOT_TELL)} cannot be told"

    @property
    def reasons(self) -> list[str]:
        """Why the verdict is what it is: the reasons of the comparisons that have it, each once."""
        deciding = [each for check in self.checked if check.verdict == self.verdict for each in check.deciding]
        lacking = [number for each in deciding for number in each.numbers if number.reason]
        told = (each for each in deciding if not any(number.reason for number in each.numbers))
        return [*_missing(lacking), *dict.fromkeys(_reason(each) for each in told)]


@dataclass(frozen=True)
class JudgedPaper:
    """A paper with all of its claims judged."""

    paper: Paper
    judged: tuple[Judged, ...]


def judge(paper: Paper, evidence: Evidence) -> JudgedPaper:
    """Verdicts on all claims of a paper.

    Raises UnknownNameError for a task, score or row that neither the package nor a board has.
    """
    _known(paper, evidence)
    judged = (
        Judged(claim, tuple(done for check in claim.checks for done in run(check, evidence))) for claim in paper.claims
    )
    return JudgedPaper(paper, tuple(judged))


def run(check: Check, evidence: Evidence) -> list[Checked]:
    """A check against each of its rivals, or once if it has none."""
    if isinstance(check, NoData):
        made = Comparison((), "", "", "", (), CANNOT_TELL, check.reason)
        return [Checked(check.label, CANNOT_TELL, (made,))]
    if isinstance(check, Training):
        return [_checked(check.label, training(check, evidence), check.spread_why)]
    found = []
    for rival, comparisons in _by_rival(check, evidence).items():
        label = f"{check.label}, against {rival}" if rival else check.label
        found.append(_checked(label, comparisons, check.despite_why))
    return found


def _by_rival(check: Scored, evidence: Evidence) -> Mapping[str, Sequence[Comparison]]:
    """Comparisons by rival; of rows beside the claim's only those that have the numbers."""
    rows = [check.row, *(row for row in check.beside if row != check.row)]
    return {
        rival: [
            replace(made, beside=row != check.row)
            for row, score in product(rows, check.scores)
            if row != rival
            for made in _compared(check, evidence, score, row, rival)
            if row == check.row or not any(number.reason for number in made.numbers)
        ]
        for rival in rivals_of(check) or ("",)
    }


def _compared(check: Scored, evidence: Evidence, score: str, row: str, rival: str) -> Iterator[Comparison]:
    """One score of one row, on all tasks of the check."""
    if isinstance(check, Within):
        yield from (checks.within(check, evidence, task, score, row) for task in check.tasks)
    elif isinstance(check, AtMost):
        yield from (checks.at_most(check, evidence, task, score, row) for task in check.tasks)
    elif isinstance(check, Below):
        yield from (checks.below(check, evidence, task, score, row, rival) for task in check.tasks)
    elif isinstance(check, Grows):
        pairs = (pair for series in check.series for pair in pairwise(series))
        yield from (checks.grows(check, evidence, pair, score, row, rival) for pair in pairs)
    else:
        yield from (checks.contrast(check, evidence, each, score, row, rival or None) for each in check.brackets)


def _checked(label: str, comparisons: Sequence[Comparison], note: str = "") -> Checked:
    return Checked(label, every(each.verdict for each in comparisons if each.counted), tuple(comparisons), note)


def _missing(numbers: Sequence[Number]) -> list[str]:
    """What is missing, one line a row that has no records."""
    rows: dict[str, dict[str, None]] = {}
    for number in numbers:
        if number.absent:
            rows.setdefault(number.row, {})[number.task] = None
    lines = [f"no record of {row} on {', '.join(tasks)}" for row, tasks in rows.items()]
    return lines + list(dict.fromkeys(number.reason for number in numbers if not number.absent))


def _reason(made: Comparison) -> str:
    """A reason that can stand alone."""
    if not made.score:
        return made.reason
    place = f" of {made.row} on {' and '.join(made.where)}" if made.where else f" of {made.row}"
    return f"{made.score}{place}: {made.reason}"


def _known(paper: Paper, evidence: Evidence) -> None:
    asked = [check for claim in paper.claims for check in claim.checks]
    trained = [check for check in asked if isinstance(check, Training)]
    boards = evidence.boards.values()
    names = {
        "task": [*tasks_of(asked), *(task for check in trained for task in check.tasks)],
        "score": scores_of(asked),
        "row": [*rows_of(asked), *(check.row for check in trained)],
    }
    known = {
        "task": {*task_names(), *evidence.boards},
        "score": {score.id for name in METRICS for score in metric_class(name).scores}
        | {score.id for board in boards for score in board.scores},
        "row": {*CONTROL_ORDER, *(model.name for model in installed_models())}
        | {row.name for board in boards for row in board.rows},
    }
    for kind, found in names.items():
        for name in found:
            if name not in known[kind]:
                raise UnknownNameError(f"{kind} in the claims of {paper.paper}:", name, known[kind])
