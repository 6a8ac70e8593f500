"""Histograms of every row beside the reference: energies, speeds, radii of gyration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy import sparse

from backmapbench.board.boards import Board
from backmapbench.board.figures import FAINT, Plot, panels, row_colours, staircase, to_svg
from backmapbench.board.summed import Part, Summed
from backmapbench.metrics import energy, radius_of_gyration, velocity
from backmapbench.metrics.histograms import centres

BINS = 80
TAIL = 0.002
"""Share of the reference left out on either side when the range is set; then it is widened by ``MARGIN`` of itself."""
MARGIN = 0.25
TALLER = 4.0
"""A curve more than so many times as tall as the other is cut off there."""
MOSTLY = 0.5
"""With more than this share of a row out of range, the reference sets the height."""
LEAST_SHARE = 0.005
"""A smaller share outside the range is not worth a note."""


@dataclass(frozen=True)
class Window:
    """Bins over the range that the reference fills."""

    edges: NDArray[np.float64]

    def density(self, x: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
        """Density (bins,) of the whole distribution in the window, and the share that lies outside."""
        counts, _ = np.histogram(x, self.edges, weights=weights)
        total = weights.sum()
        if total <= 0:
            return np.zeros(len(counts)), 1.0
        return counts / total / np.diff(self.edges), float(1.0 - counts.sum() / total)


def window(
    x: NDArray[np.float64],
    weights: NDArray[np.float64],
    cell: float,
    floor: float = -np.inf,
    least: float = 0.0,
    bins: int = BINS,
) -> Window:
    """The range of a reference histogram in about ``bins`` bins, at least ``least`` wide and not below ``floor``.

    Bins hold a whole number of the histogram's cells, each as many as the next, or the outline would be jagged.
    """
    cumulative = np.cumsum(weights) / weights.sum()
    low, high = x[np.searchsorted(cumulative, [TAIL, 1.0 - TAIL])]
    margin = max(MARGIN * (high - low), cell, (least - (high - low)) / 2)
    low, high = max(low - margin, floor), high + margin
    width = cell * max(1, round((high - low) / bins / cell))
    first = np.floor(low / width) * width
    return Window(first + width * np.arange(int(np.ceil((high - first) / width)) + 1))


@dataclass(frozen=True)
class Quantity:
    """A histogram that a metric keeps: its statistic, its grid and how to name it."""

    key: str
    cell: float
    origin: float
    floor: float
    title: str
    label: str


# The metric's grid is centred on the reference's median, which is all that is known of its place.
ENERGY = Quantity(
    "energies",
    energy.CELL_KT,
    -energy.CEILING_KT,
    -np.inf,
    "Potential energy",
    "energy \N{MINUS SIGN} reference median (kT)",
)
RADIUS = Quantity(
    "radii", radius_of_gyration.CELL_NM, 0.0, 0.0, "Radius of gyration", "radius of gyration of the heavy atoms (nm)"
)
SPEED = Quantity("speeds", velocity.CELL, 0.0, 0.0, "Frame-to-frame speed", "rms speed of the atoms (nm/ps)")


def by_row(board: Board, found: Summed, quantity: Quantity) -> Plot:
    """One panel per row, each over the reference."""
    reference = _cells(found.reference, quantity)
    view = window(*reference, quantity.cell, quantity.floor)
    expected, _ = view.density(*reference)
    colours = row_colours(board)
    figure, axes = panels(len(found.rows), 5, (1.85, 1.4), sharex=True)
    clipped = []
    for place, (name, part) in zip(axes, found.rows.items(), strict=True):
        density, share = view.density(*_cells(part, quantity))
        staircase(place, view.edges, expected, None)
        staircase(place, view.edges, density, colours[name])
        frame(place, view, expected, density, share)
        place.set_title(name)
        if share >= LEAST_SHARE:
            clipped.append(f"{name} {share:.0%}")
        outside(place, share)
    figure.supxlabel(quantity.label, fontsize=8.5)
    note = f" Outside the range: {', '.join(clipped)}." if clipped else ""
    caption = (
        "Grey: the reference; coloured: the row. The range is set by the reference; each panel says what share of its "
        "row lies outside."
    )
    alt = f"{quantity.title}: a histogram of every row over that of the reference, {quantity.label}.{note}"
    return Plot(quantity.title, caption, to_svg(figure, f"{board.task}-{quantity.key}", alt))


def frame(axes: Axes, view: Window, expected: NDArray[np.float64], density: NDArray[np.float64], share: float) -> None:
    """Limits; a spike (a constrained bond, a row that never moves) is cut where it would flatten the other curve."""
    low, high = sorted((float(expected.max()), float(density.max())))
    axes.set_ylim(0.0, 1.1 * (min(high, TALLER * low) if share < MOSTLY else float(expected.max())))
    axes.set_xlim(view.edges[0], view.edges[-1])
    axes.set_yticks([])


def outside(axes: Axes, share: float, what: str = "outside") -> None:
    """Write above a panel what share of its row it does not show, unless that is next to nothing."""
    if share >= LEAST_SHARE:
        text = f"{share:.0%} {what}"
        axes.text(1.0, 1.03, text, transform=axes.transAxes, ha="right", va="bottom", color=FAINT, fontsize=7.5)


def _cells(part: Part, quantity: Quantity) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return centres(sparse.csr_array(part[quantity.key]), quantity.cell, quantity.origin)
