"""One look for all plots, and figures as SVG that can stand inside a page."""

from __future__ import annotations

import html
import io
import re
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from numpy.typing import NDArray

from backmapbench.board.boards import Board

INK = "#010203"
"""Stands for the page's text colour, light or dark; replaced when the SVG is written."""
FAINT = "#040506"
"""Stands for the page's muted text colour."""
# Okabe & Ito's palette for colour-blind readers without black (the reference) and yellow (faint on white).
MODEL_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
CONTROL_COLOURS = {"fresh-md": "#8c6d31", "lookup": "#7570b3"}
OTHER_COLOUR = "#858c96"
CSS_PIXELS = 96
"""CSS pixels per inch: with it text in figures has the size that it was given."""
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: small, and readable by a screen reader
    "svg.hashsalt": "backmapbench",
    "font.family": "sans-serif",
    "font.size": 8.5,
    "axes.titlesize": 9.0,
    "axes.linewidth": 0.6,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "lines.linewidth": 1.3,
}


@dataclass(frozen=True)
class Plot:
    """A figure for the page: ``svg`` is safe to insert as it is."""

    title: str
    caption: str
    svg: str


def row_colours(board: Board) -> dict[str, str]:
    """A colour per row, the same in every plot; models beyond the palette start over."""
    models = [row.name for row in board.rows if not row.control]
    colours = {name: MODEL_COLOURS[index % len(MODEL_COLOURS)] for index, name in enumerate(models)}
    return {row.name: CONTROL_COLOURS.get(row.name, OTHER_COLOUR) for row in board.rows if row.control} | colours


def panels(
    count: int,
    columns: int,
    size: tuple[float, float],
    *,
    sharex: bool = False,
    sharey: bool = False,
    square: bool = False,
) -> tuple[Figure, list[Axes]]:
    """A figure of ``count`` panels of ``size`` inches in rows of ``columns``; unused places stay empty.

    ``square``: panels share both axes and keep the aspect of what they show, so they move together.
    """
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(columns * size[0], rows * size[1]), layout="compressed" if square else "constrained")
    FigureCanvasSVG(figure)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=sharex or square, sharey=sharey or square)
    axes: list[Axes] = list(grid.ravel())
    for spare in axes[count:]:
        spare.set_visible(False)
    if sharex or square:
        for index in range(count):
            axes[index].tick_params(labelbottom=index + columns >= count)
    return figure, axes[:count]


def staircase(axes: Axes, edges: NDArray[np.float64], heights: NDArray[np.float64], colour: str | None) -> None:
    """A histogram outline; without a colour the reference's: filled, in the text colour."""
    if colour is None:
        axes.stairs(heights, edges, fill=True, color=INK, alpha=0.16, linewidth=0)
        axes.stairs(heights, edges, color=INK, linewidth=0.8)
    else:
        axes.stairs(heights, edges, color=colour, linewidth=1.4)


def to_svg(figure: Figure, prefix: str, label: str) -> str:
    """The figure as an SVG element: no declarations, no metadata, ids of its own, colours that follow the page.

    ``label`` describes the picture to those who cannot see it.
    """
    out = io.StringIO()
    with mpl.rc_context(STYLE):
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", text).replace("xlink:href", "href")
    text = _own_ids(text, prefix)
    text = text.replace(INK, "currentColor").replace(FAINT, "var(--muted)")
    text = re.sub(r"\n\s*", "\n", text)
    width = round(figure.get_figwidth() * CSS_PIXELS)
    accessible = f'<svg role="img" aria-label="{html.escape(label, quote=True)}" style="--width: {width}px"'
    return text.replace("<svg", accessible, 1)


def _own_ids(text: str, prefix: str) -> str:
    """Ids that something refers to with a prefix, for a page holds several pictures; the others are dropped."""
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', text))
    text = re.sub(r' id="([^"]+)"', lambda found: f' id="{prefix}-{found[1]}"' if found[1] in used else "", text)
    return re.sub(r'(url\(#|href="#)', rf"\1{prefix}-", text)
