"""The grid of the free energy surface on the page: which coordinates it has, and maps on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator
from numpy.typing import NDArray
from scipy import sparse

from backmapbench.board.boards import Board
from backmapbench.board.cards import known_card
from backmapbench.board.summed import Part

TORSIONS: dict[tuple[str, ...], str] = {("C", "N", "CA", "C"): "φ", ("N", "CA", "C", "N"): "ψ"}
SHAPES = {
    "radius_of_gyration": "radius of gyration (nm)",
    "end_to_end": "end-to-end CA distance (nm)",
}


@dataclass(frozen=True)
class Coordinates:
    """The axes of a surface.

    Attributes:
        labels: of both axes, with their units.
        extent: left, right, bottom, top; None where the records do not say.
        angles: whether both are angles in degrees.
    """

    labels: tuple[str, str]
    extent: tuple[float, float, float, float] | None
    angles: bool


def coordinates(board: Board, part: Part) -> Coordinates:
    """The axes of the board's surfaces, as far as its task card (in its version) and the reference's sums tell."""
    labels, angles = _labels(board)
    if angles:
        return Coordinates(labels, (-180.0, 180.0, -180.0, 180.0), angles=True)
    frames = float(np.asarray(part["frames"]).sum()) if "extent" in part else 0.0
    if frames <= 0:
        return Coordinates(labels, None, angles=False)
    (left, bottom), (right, top) = (np.asarray(part["extent"], dtype=np.float64) / frames).tolist()
    return Coordinates(labels, (left, right, bottom, top), angles=False)


def states_and_bins(part: Part) -> tuple[sparse.csr_array, int, int]:
    """Visits, number of states and of bins (both axes together)."""
    visits = sparse.csr_array(part["visits"])
    states = len(np.asarray(part["transitions"])) if "transitions" in part else 1
    return visits, states, visits.shape[-1] // states


def image(
    axes: Axes, cells: NDArray[np.float64], axes_of: Coordinates, title: str, *, cmap: str, low: float, high: float
) -> None:
    """A map with the first coordinate along x; squares whatever the units."""
    axes.imshow(
        cells.T,
        origin="lower",
        extent=axes_of.extent,
        vmin=low,
        vmax=high,
        cmap=cmap,
        interpolation="none",
        aspect="equal" if axes_of.angles or axes_of.extent is None else "auto",
    )
    axes.set_title(title)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator([-180.0, 0.0, 180.0]) if axes_of.angles else MaxNLocator(3))
    if axes_of.extent is None:
        axes.set_xticks([])
        axes.set_yticks([])
    axes.spines[["top", "right"]].set_visible(True)


def name_axes(figure: Figure, axes_of: Coordinates) -> None:
    """Write the coordinates' names along the whole figure, once for all its maps."""
    figure.supxlabel(axes_of.labels[0], fontsize=8.5)
    figure.supylabel(axes_of.labels[1], fontsize=8.5)


def _labels(board: Board) -> tuple[tuple[str, str], bool]:
    """Labels of the two coordinates by the task card, and whether they are torsions."""
    unknown = ("first coordinate", "second coordinate")
    card = known_card(board)
    if card is None or "fes_rmse_kt" not in card.metrics:
        return unknown, False
    names = card.metrics["fes_rmse_kt"].get("coordinates")
    if names is None and card.kinetics is not None:
        if card.kinetics.features == "torsions":
            first, second = (f"{_torsion(labels)} (degrees)" for labels in card.kinetics.torsions[:2])
            return (first, second), True
        return ("first TICA component", "second TICA component"), False
    first, second = (
        SHAPES.get(name, name) if isinstance(name, str) else f"{' to '.join(name)} (nm)" for name in names or SHAPES
    )
    return (first, second), False


def _torsion(labels: list[str]) -> str:
    atoms = tuple(label.split(":")[-1] for label in labels)
    return TORSIONS.get(atoms, "-".join(atoms))
