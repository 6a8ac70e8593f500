"""Ramachandran maps (Kementzidis 2025 fig. 5)."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.ticker import FixedLocator
from numpy.typing import NDArray
from scipy import sparse

from backmapbench.board.boards import Board
from backmapbench.board.distributions import outside
from backmapbench.board.figures import INK, Plot, panels, to_svg
from backmapbench.board.summed import Part, Summed, shown
from backmapbench.metrics.torsion_jsd import BINS

DEGREES = 360.0 / BINS
SHARES = (0.99, 0.9, 0.5)
"""Shares of the reference's weight inside the contours, outermost first."""


def ramachandran(board: Board, found: Summed) -> Plot | None:
    """(phi, psi) of all residues pooled: the reference and each row, contours of the reference over all.

    None for a molecule without a residue that has both angles.
    """
    if sparse.csr_array(found.reference["maps"]).shape[1] == 0:
        return None
    rows = {"reference": found.reference, **shown(board, found)}
    expected, _ = density(found.reference)
    levels = contours(expected)
    figure, axes = panels(len(rows), 5, (1.9, 1.75), square=True)
    places = -180.0 + DEGREES * (np.arange(BINS) + 0.5)
    colours = PowerNorm(0.5, vmin=0.0, vmax=max(float(expected.max()), 1e-12))
    for place, (name, part) in zip(axes, rows.items(), strict=True):
        each, undefined = density(part)
        shown_cells = np.where(each > 0, each, np.nan).T
        place.imshow(
            shown_cells,
            origin="lower",
            extent=(-180, 180, -180, 180),
            norm=colours,
            cmap="viridis",
            interpolation="none",
        )
        if len(levels):
            place.contour(places, places, expected.T, levels=levels, colors=INK, linewidths=0.6)
        place.set_title(name)
        for axis in (place.xaxis, place.yaxis):
            axis.set_major_locator(FixedLocator([-180.0, 0.0, 180.0]))
        place.spines[["top", "right"]].set_visible(True)
        outside(place, undefined, "undefined")
    figure.supxlabel("φ (degrees)", fontsize=8.5)
    figure.supylabel("ψ (degrees)", fontsize=8.5)
    bar = figure.colorbar(axes[0].images[0], ax=axes, aspect=20, extend="max")
    bar.set_label("density (1 / degree²)")
    bar.outline.set_linewidth(0.4)
    caption = (
        "Backbone angles of all residues pooled, by density; contours hold 50, 90 and 99 % of the reference. Blank: "
        "never visited."
    )
    alt = f"Ramachandran maps of the reference and of {', '.join(list(rows)[1:])}."
    return Plot("Ramachandran map", caption, to_svg(figure, f"{board.task}-ramachandran", alt))


def density(part: Part) -> tuple[NDArray[np.float64], float]:
    """Density on the map, (36, 36) with phi slow, 1 / degree^2, and the share of residues without both angles."""
    cells: NDArray[np.float64] = sparse.csr_array(part["maps"]).toarray().reshape(-1, BINS**2 + 1).sum(axis=0)
    total = float(cells.sum())
    if total <= 0:
        return np.zeros((BINS, BINS)), 0.0
    return cells[:-1].reshape(BINS, BINS) / (total * DEGREES**2), float(cells[-1] / total)


def contours(expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """Densities, increasing, above which the cells of a map hold each of ``SHARES`` of its weight."""
    cells = np.sort(expected.ravel())[::-1]
    held = np.cumsum(cells)
    if held[-1] <= 0:
        return np.zeros(0)
    places = np.searchsorted(held, np.array(SHARES) * held[-1])
    levels: NDArray[np.float64] = np.unique(cells[np.minimum(places, len(cells) - 1)])
    return levels[levels > 0]
