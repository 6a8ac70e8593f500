"""Bond lengths and angles by class of elements (Shmilovich 2022 figs 17-20)."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import fill

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from scipy import sparse

from backmapbench.board.boards import Board
from backmapbench.board.distributions import frame, outside, window
from backmapbench.board.figures import Plot, panels, row_colours, staircase, to_svg
from backmapbench.board.summed import Part, Summed, shown
from backmapbench.metrics import angle, bond_length
from backmapbench.metrics.histograms import centres

BINS = 40
WIDTH_INCHES = 9.2  # of all columns
LETTERS_PER_INCH = 12  # of a heading


@dataclass(frozen=True)
class Classes:
    """A metric that keeps a histogram per class: its cell, the least width of a panel, and how to name it."""

    key: str
    cell: float
    least: float
    title: str
    label: str
    of: str


BONDS = Classes(
    "bonds",
    bond_length.CELL_NM * bond_length.ANGSTROM_PER_NM,
    0.1,  # constrained bonds have no width of their own
    "Bond lengths",
    "bond length (\N{LATIN CAPITAL LETTER A WITH RING ABOVE})",
    "pairs of elements",
)
ANGLES = Classes(
    "angles", angle.CELL_DEGREE, 4.0, "Bond angles", "bond angle (degrees)", "triples of elements, vertex in the middle"
)


def by_class(board: Board, found: Summed, quantity: Classes) -> Plot:
    """A line of panels for each class, a column for each model and a few controls, each over the reference."""
    rows = shown(board, found)
    names = [name for name in found.reference if not name.startswith(angle.UNDEFINED)]
    column_inches = WIDTH_INCHES / max(4, len(rows))
    figure, axes = panels(len(rows) * len(names), len(rows), (column_inches, 1.05))
    colours = row_colours(board)
    panel = iter(axes)
    for line, name in enumerate(names):
        expected_cells = _cells(found.reference, name, quantity)
        view = window(*_cells(found.reference, name, quantity, whole=False), quantity.cell, 0.0, quantity.least, BINS)
        expected, _ = view.density(*expected_cells)
        for column, (row, part) in enumerate(rows.items()):
            place = next(panel)
            density, share = view.density(*_cells(part, name, quantity))
            staircase(place, view.edges, expected, None)
            staircase(place, view.edges, density, colours[row])
            frame(place, view, expected, density, share)
            place.xaxis.set_major_locator(MaxNLocator(3))
            heading = fill(row, int(LETTERS_PER_INCH * column_inches), break_long_words=False)
            place.set_title(heading if line == 0 else "", pad=14 if line == 0 else None)
            if column == 0:
                place.set_ylabel(name, rotation=0, ha="right", va="center")
            outside(place, share)
    figure.supxlabel(quantity.label, fontsize=8.5)
    caption = (
        f"Lines: {quantity.of}. Grey: the reference; coloured: the row, with the share of it that is out of range or "
        "undefined."
    )
    alt = f"Histograms of {quantity.title.lower()} by {quantity.of} for {', '.join(rows)}, each over the reference's."
    return Plot(quantity.title, caption, to_svg(figure, f"{board.task}-{quantity.key}", alt))


def _cells(
    part: Part, name: str, quantity: Classes, *, whole: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values of a class and their counts; ``whole``: with those that are undefined, at minus infinity."""
    values, counts = centres(sparse.csr_array(part[name]), quantity.cell)
    lost = float(np.asarray(part.get(angle.undefined(name), 0.0)))
    if whole and lost > 0:
        return np.append(-np.inf, values), np.append(lost, counts)
    return values, counts
