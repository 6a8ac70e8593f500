"""What training cost: all stages of a chain against one training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backmapbench.studies.claims.comparisons import Comparison, decided, missing
from backmapbench.studies.claims.evidence import Evidence, Number
from backmapbench.studies.claims.papers import Training
from backmapbench.studies.claims.spans import CANNOT_TELL, NOT_UPHELD, UPHELD, Span, below


def training(check: Training, evidence: Evidence) -> list[Comparison]:
    """All stages of a chain against one training, in every quantity that the check names."""
    found = []
    for quantity in check.quantities:
        parts = {name: evidence.training(name, quantity, check.noise) for name in (*check.stages, check.rival)}
        numbers = tuple(Number(name, "training", quantity, span, why) for name, (span, _, why) in parts.items())
        statement = f"below {check.rival}"
        made = Comparison((), quantity, check.row, statement, numbers, CANNOT_TELL, missing(numbers))
        known = [span for span, _, _ in parts.values() if span is not None]
        hardware = set[str]().union(*(each for _, each, _ in parts.values()))
        if len(known) == len(parts):
            made = _cheaper(made, known[:-1], known[-1], hardware, adds=quantity == "seconds")
        found.append(made)
    return found


def _cheaper(made: Comparison, stages: list[Span], rival: Span, hardware: set[str], *, adds: bool) -> Comparison:
    """The comparison decided, unless the two sides were trained on different hardware."""
    values = np.array([(stage.value, stage.low, stage.high) for stage in stages])
    whole = Span(*(values.sum(axis=0) if adds else values.max(axis=0)).tolist())
    made = replace(made, derived=(("all stages" if adds else "largest stage", whole),))
    if len(hardware) > 1:
        return replace(made, reason=f"trained on different hardware: {'; '.join(sorted(hardware))}")
    words = {UPHELD: "less by more than the noise of one measurement", NOT_UPHELD: "not less"}
    return decided(made, below(whole, rival), words, "alike within the noise of one measurement")
