"""Pictures of the slow processes of Markov models, on the grid of the free energy surface."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy import sparse

from backmapbench.board.boards import Board
from backmapbench.board.figures import Plot, panels, to_svg
from backmapbench.board.summed import Part, Summed, shown
from backmapbench.board.surface_maps import Coordinates, coordinates, image, name_axes, states_and_bins
from backmapbench.metrics.eigenvectors import match
from backmapbench.metrics.markov_model import MarkovModel, estimate

PROCESSES = 3


def processes(board: Board, found: Summed, lag_ps: float) -> Plot | None:
    """Slow eigenvectors of the reference and of each row's partner, on the surface, with their |cosine|.

    None for a task without Markov model and for a reference without a process slower than the lag.
    """
    if "transitions" not in found.reference:
        return None
    reference = estimate(np.asarray(found.reference["transitions"]))
    slow = min(PROCESSES, int((reference.timescales(lag_ps) > lag_ps).sum()))
    if not slow:
        return None
    where = _weights_of_states(found.reference, len(reference.stationary))
    rows = shown(board, found)
    axes_of = coordinates(board, found.reference)
    columns = len(rows) + 1
    figure, axes = panels(slow * columns, columns, (1.7, 1.85), square=True)
    for index, vector in enumerate(reference.right[:slow]):
        _process(axes[index * columns], vector, where, axes_of, "reference" if index == 0 else "")
        axes[index * columns].set_ylabel(f"process {index + 1}")
    for column, (name, part) in enumerate(rows.items(), start=1):
        partners = _partners(reference, estimate(np.asarray(part["transitions"])), lag_ps, slow)
        for index, (vector, text) in enumerate(partners):
            title = f"{name}\n{text}" if index == 0 else text
            _process(axes[index * columns + column], vector, where, axes_of, title)
    name_axes(figure, axes_of)
    caption = (
        "The slowest processes of the reference's Markov model (left) and the process of each row that is matched to "
        "it, as right eigenvectors on the reference's states: each process moves weight between red and blue. The "
        "number is the |cosine| that eigenvector_error averages; blank: states that the row never visits."
    )
    alt = f"Eigenvectors of the {slow} slowest processes of the reference and of {', '.join(rows)}."
    return Plot("Slow processes", caption, to_svg(figure, f"{board.task}-processes", alt))


def _partners(
    reference: MarkovModel, model: MarkovModel, lag_ps: float, slow: int
) -> list[tuple[NDArray[np.float64], str]]:
    """For each slow process of the reference the right eigenvector (states,) matched to it, and what to write on it."""
    matched = match(reference, model, lag_ps, slow)
    both = (reference.stationary > 0) & (model.stationary > 0)
    found = []
    for vector, cosine, partner in zip(reference.right, matched.cosines, matched.partners, strict=False):
        if partner < 0:
            found.append((np.zeros(len(both)), "no such process"))
            continue
        own = model.right[partner] * both
        # An eigenvector's sign means nothing: turn it to that of the reference.
        sign = np.sign((reference.stationary * vector * own).sum()) or 1.0
        found.append((sign * own, f"|cos| {cosine:.2f}"))
    return found


def _weights_of_states(part: Part, states: int) -> sparse.csr_array:
    """Share of each state among the frames of every bin, (bins, states); empty rows where no frame fell."""
    visits, _, cells = states_and_bins(part)
    state, place = np.divmod(visits.indices, cells)
    total = np.bincount(place, weights=visits.data, minlength=cells)
    return sparse.csr_array((visits.data / total[place], (place, state)), shape=(cells, states))


def _process(
    axes: Axes, vector: NDArray[np.float64], where: sparse.csr_array, axes_of: Coordinates, title: str
) -> None:
    """One eigenvector (states,) over the bins; white at 0, blank where its states have no weight."""
    # A few rare states have the largest entries by far, and all others would fade.
    scale = np.percentile(np.abs(vector[vector != 0]), 95) if vector.any() else 1.0
    cells = where @ vector
    weight = where @ (vector != 0).astype(float)
    cells = np.where(weight > 0.5, cells, np.nan).reshape(round(where.shape[0] ** 0.5), -1)
    image(axes, cells, axes_of, title, cmap="RdBu_r", low=-scale, high=scale)
