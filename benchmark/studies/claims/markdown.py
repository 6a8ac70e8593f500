"""Claims and verdicts as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from backmapbench.board.boards import CONFIDENCE
from backmapbench.board.markdown import escaped
from backmapbench.studies.claims.comparisons import Comparison
from backmapbench.studies.claims.papers import Claim
from backmapbench.studies.claims.verdicts import Checked, Judged, JudgedPaper
from backmapbench.studies.claims.words import derived_text, number_text


def render_markdown(judged: Sequence[JudgedPaper], commands: Mapping[Claim, Sequence[str]]) -> str:
    """A table of verdicts for every paper, and below it each claim with the numbers compared."""
    lines = [f"# Claims and verdicts\n\nNumbers with their {CONFIDENCE:.0%} intervals.\n"]
    for each in judged:
        lines += _paper(each, commands)
    return "\n".join(lines)


def _paper(judged: JudgedPaper, commands: Mapping[Claim, Sequence[str]]) -> Iterator[str]:
    paper = judged.paper
    yield f"## {escaped(paper.title)}\n\n{escaped(paper.citation)}\n"
    if paper.note:
        yield f"{escaped(paper.note)}\n"
    yield "| claim | verdict | comparisons |\n|---|---|---|"
    for each in judged.judged:
        yield _line([each.claim.text, each.verdict, each.counts])
    yield ""
    for each in judged.judged:
        yield from _claim(each, commands[each.claim])


def _claim(judged: Judged, commands: Sequence[str]) -> Iterator[str]:
    claim = judged.claim
    yield f"### {escaped(claim.id)}: {judged.verdict}\n\n{escaped(claim.text)}\n"
    yield f"Source: {escaped(claim.source)}. {escaped(claim.note)}".strip() + "\n"
    yield "\n".join(f"- {escaped(reason)}" for reason in judged.reasons) + "\n"
    for checked in judged.checked:
        yield from _check(checked)
    yield "\n".join(["```", *commands, "```", ""])


def _check(checked: Checked) -> Iterator[str]:
    yield f"**{escaped(checked.label)}: {checked.verdict}.** {escaped(checked.note)}".strip() + "\n"
    rows = [each for each in checked.comparisons if each.numbers]
    if rows:
        yield "| where | score | row | has to be | numbers | verdict | why |\n|---|---|---|---|---|---|---|"
        yield from (_line(_cells(each)) for each in rows)
        yield ""


def _cells(made: Comparison) -> list[str]:
    numbers = "; ".join([*map(number_text, made.numbers), *map(derived_text, made.derived)])
    row = made.row if made.counted else f"{made.row} ({'beside' if made.beside else 'not counted'})"
    return [", ".join(made.where), made.score, row, made.statement, numbers, made.verdict, made.reason]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(escaped, cells)) + " |"
