"""What every metric is: the definition pages that ship with the metrics, as one page beside the board."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from backmapbench import __name__ as suite
from backmapbench.board.templates import environment
from backmapbench.board.words import STRUCTURE, UNITS
from backmapbench.metrics.base import Metric
from backmapbench.metrics.registry import METRICS, metric_class
from backmapbench.metrics.resolutions import resolution

PAGE = "definitions.html"
SECTIONS = ("Formula", "Source", "Variants", "Traps", "How the literature differs", "What value means what")
"""What every definition says, in this order."""
SUFFIX = ".md"


def definition(metric: str) -> str:
    """The definition of ``metric`` as Markdown. Raises KeyError for a metric that is not the suite's."""
    if metric not in METRICS:
        raise KeyError(metric)
    return (files("backmapbench.metrics") / "definitions" / f"{metric}{SUFFIX}").read_text(encoding="utf-8")


def definition_link(metric: str) -> str | None:
    """Where a board's page finds the definition of ``metric``; None for a metric that is not the suite's."""
    return f"{PAGE}#{metric}" if metric in METRICS else None


def render_definitions() -> str:
    """The page of all definitions as HTML, with an anchor for each metric's id; it loads nothing from anywhere."""
    groups = (
        ("Structure", [name for name in METRICS if name in STRUCTURE]),
        ("Ensemble and time", [name for name in METRICS if name not in STRUCTURE]),
    )
    template = environment().get_template("definitions.html.jinja")
    return template.render(suite=suite, groups=[(title, [_content(name) for name in names]) for title, names in groups])


def to_html(text: str) -> Markup:
    """A definition's Markdown without its title as HTML, headings two levels down, links to others as anchors.

    HTML in the text stays text.
    """
    parser = MarkdownIt("commonmark", {"html": False})
    tokens = list(_placed(parser.parse(text)))
    return Markup(parser.renderer.render(tokens, parser.options, {}))  # noqa: S704 - escaped by the renderer


def _placed(tokens: list[Token]) -> Iterator[Token]:
    """Tokens of what follows the title, whose text stands above already."""
    title = False
    for token in tokens:
        if token.tag == "h1":
            title = token.nesting > 0
            continue
        if title:
            continue
        if token.type.startswith("heading"):
            token.tag = f"h{int(token.tag[1]) + 2}"
        for child in token.children or ():
            target = str(child.attrGet("href") or "")
            if target.endswith(SUFFIX):
                child.attrSet("href", f"#{target.removesuffix(SUFFIX)}")
        yield token


def _content(name: str) -> dict[str, Any]:
    metric = metric_class(name)
    scores = [
        {
            "id": score.id,
            "unit": UNITS.get(score.unit.lower(), score.unit),
            "ranked": score.ranked,
            "resolution": f"{resolution(score.id, name):g}" if score.ranked else "",
            "summary": score.summary,
        }
        for score in metric.scores
    ]
    return {"id": name, "facts": _facts(metric), "scores": scores, "text": to_html(definition(name))}


def _facts(metric: type[Metric]) -> str:
    """What the class itself says, in one line."""
    pairing = "Compares frame by frame" if metric.paired else "Compares whole sets of frames"
    needed = metric.minimum_samples
    samples = f" Needs at least {needed} samples of every frame." if needed > 1 else ""
    return f"Version {metric.version}. {pairing}.{samples}"
