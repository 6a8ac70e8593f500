"""What training cost: the largest stage of a chain against one training."""

from __future__ import annotations

from dataclasses import replace

from backmapbench.studies.claims.comparisons import Comparison, decided, missing
from backmapbench.studies.claims.evidence import Evidence, Number
from backmapbench.studies.claims.papers import Quantity, Training
from backmapbench.studies.claims.spans import CANNOT_TELL, NOT_UPHELD, UPHELD, Span, below
from backmapbench.studies.claims.trainings import Trained, unlike


def training(check: Training, evidence: Evidence) -> list[Comparison]:
    """The largest stage of a chain against one training, on every task and in every quantity that the check names."""
    return [_compared(check, evidence, quantity, task) for quantity in check.quantities for task in check.tasks]


def _compared(check: Training, evidence: Evidence, quantity: Quantity, task: str) -> Comparison:
    found = [Trained.of(evidence.weights, each, task) for each in (*check.stages, check.rival)]
    spans = [each.span(quantity, check.spread) for each in found]
    numbers = tuple(
        Number(each.name, task, quantity, span, why) for each, (span, why) in zip(found, spans, strict=True)
    )
    made = Comparison((task,), quantity, check.row, f"below {found[-1].name}", numbers, CANNOT_TELL, missing(numbers))
    known = [span for span, _ in spans if span is not None]
    if len(known) < len(found):
        return made
    stages = known[:-1]
    largest = Span(*(max(getattr(each, bound) for each in stages) for bound in ("value", "low", "high")))
    made = replace(made, derived=(("largest stage", largest),))
    if why := unlike([course for each in found for course in each.courses.values()]):
        return replace(made, reason=why)
    factor = f"the factor of {check.spread:g} between measurements of one and the same training"
    words = {UPHELD: f"less by more than {factor}", NOT_UPHELD: "not less"}
    return decided(made, below(largest, known[-1]), words, f"alike within {factor}")
