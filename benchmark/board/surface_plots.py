"""Pictures of free energy surfaces."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backmapbench.board.boards import Board
from backmapbench.board.figures import Plot, panels, to_svg
from backmapbench.board.summed import Part, Summed, shown
from backmapbench.board.surface_maps import coordinates, image, name_axes, states_and_bins
from backmapbench.metrics.markov_model import estimate

MAXIMUM_KT = 7.0


def surfaces(board: Board, found: Summed) -> Plot:
    """Free energy surfaces of the reference, the models and some controls, side by side."""
    rows = {"reference": found.reference, **shown(board, found)}
    axes_of = coordinates(board, found.reference)
    figure, axes = panels(len(rows), 5, (1.9, 1.75), square=True)
    for place, (name, part) in zip(axes, rows.items(), strict=True):
        image(place, free_energies(part), axes_of, name, cmap="viridis", low=0.0, high=MAXIMUM_KT)
    name_axes(figure, axes_of)
    bar = figure.colorbar(axes[0].images[0], ax=axes, aspect=20, extend="max", ticks=range(0, 8, 2))
    bar.set_label("free energy (kT)")
    bar.outline.set_linewidth(0.4)
    weighing = "weighted by each row's Markov model" if "transitions" in found.reference else "every frame alike"
    caption = f"Free energy over the task's two coordinates, {weighing}, from the lowest bin up; blank: never visited."
    alt = f"Free energy surfaces of the reference and of {', '.join(list(rows)[1:])}."
    return Plot("Free energy surface", caption, to_svg(figure, f"{board.task}-fes", alt))


def free_energies(part: Part) -> NDArray[np.float64]:
    """F - min F in kT on the grid, (bins, bins), NaN where no frame fell."""
    visits, number, cells = states_and_bins(part)
    states, places = np.divmod(visits.indices, cells)
    each = np.ones(number)
    if "transitions" in part:
        # A frame weighs its state's stationary share over the frames in it, as in fes_rmse_kt; a picture needs no
        # pseudo-count.
        frames = np.bincount(states, weights=visits.data, minlength=number)
        stationary = estimate(np.asarray(part["transitions"])).stationary
        each = np.divide(stationary, frames, out=np.zeros(number), where=frames > 0)
    weights = np.bincount(places, weights=visits.data * each[states], minlength=cells)
    visited = weights > 0
    surface = -np.log(weights, out=np.full(cells, np.nan), where=visited)
    lowest = surface[visited].min() if visited.any() else 0.0
    return (surface - lowest).reshape(round(cells**0.5), -1)
