"""The page of claims: HTML in the look of the board, Markdown, and JSON with every number at full precision."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import jinja2

from backmapbench import __name__ as suite
from backmapbench.board.boards import CONFIDENCE, CONTROL_ORDER
from backmapbench.board.definitions import definition_link
from backmapbench.board.rows import collect
from backmapbench.board.templates import environment
from backmapbench.files import atomic_write
from backmapbench.studies.claims.evidence import Evidence
from backmapbench.studies.claims.export import render_json
from backmapbench.studies.claims.markdown import render_markdown
from backmapbench.studies.claims.mentions import rows_of, tasks_of
from backmapbench.studies.claims.papers import Claim, read_paper, shipped
from backmapbench.studies.claims.verdicts import JudgedPaper, judge
from backmapbench.studies.claims.words import derived_text, number_text

COMMAND = "backmapbench claims"
TEMPLATE = "claims.html.jinja"


def judge_folder(folder: Path, claims: Sequence[Path] = ()) -> list[JudgedPaper]:
    """Claims of the papers in ``claims`` (default: those of the package) judged by the records in ``folder``.

    Raises RecordError for a folder without records or with damaged ones, CardError for a file of claims that is not
    right, UnknownNameError for a task or score that does not exist.
    """
    papers = sorted((read_paper(path) for path in claims or shipped()), key=lambda paper: paper.paper)
    evidence = Evidence.of(collect(folder))
    return [judge(paper, evidence) for paper in papers]


def write_claims(folder: Path, output: Path | None = None, claims: Sequence[Path] = ()) -> list[Path]:
    """Write claims.html, claims.md and claims.json of the records in ``folder``, and return their paths.

    ``output``: where to; default beside the records. Raises as ``judge_folder``.
    """
    judged = judge_folder(folder, claims)
    target = folder if output is None else output
    contents = {
        "claims.html": render_html(judged, folder),
        "claims.md": render_markdown(judged, {each: commands(each, folder) for each in _claims(judged)}),
        "claims.json": render_json(judged),
    }
    for name, content in contents.items():
        with atomic_write(target / name, "w") as handle:
            handle.write(content)
    return [target / name for name in contents]


def commands(claim: Claim, folder: Path) -> list[str]:
    """What to run for the records that a claim stands on, controls included, and for its verdict."""
    rows = [row for row in rows_of(claim.checks) if row not in CONTROL_ORDER]
    tasks = tasks_of(claim.checks)
    made = " ".join([*(f"-t {task}" for task in tasks), *(f"-m {row}" for row in rows)])
    run = [f"backmapbench run {made} -o {folder} --resume"] if tasks else []
    return [*run, f"{COMMAND} {folder}"]


def render_html(judged: Sequence[JudgedPaper], folder: Path) -> str:
    """The page as HTML; it loads nothing from anywhere, and links to the board's pages, drawn before or after it."""
    templates = environment()
    own = jinja2.PackageLoader("backmapbench.studies.claims", "")
    templates.loader = jinja2.ChoiceLoader([each for each in (own, templates.loader) if each is not None])
    templates.filters |= {
        "number": number_text,
        "derived": derived_text,
        "css": lambda verdict: verdict.replace(" ", "-"),
    }
    metrics = _metrics()
    return templates.get_template(TEMPLATE).render(
        suite=suite,
        papers=judged,
        confidence=f"{CONFIDENCE:.0%}",
        link=lambda score: definition_link(metrics.get(score, "")),
        commands=lambda claim: commands(claim, folder),
    )


def _claims(judged: Sequence[JudgedPaper]) -> list[Claim]:
    return [each.claim for paper in judged for each in paper.judged]


def _metrics() -> dict[str, str]:
    """The metric of every score of the suite."""
    from backmapbench.metrics.registry import METRICS, metric_class

    return {score.id: name for name in METRICS for score in metric_class(name).scores}
