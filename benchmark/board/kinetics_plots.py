"""Free energy surfaces and implied timescales, drawn from counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray
from scipy import sparse

from backmapbench.board.boards import Board
from backmapbench.board.cards import known_card
from backmapbench.board.figures import FAINT, INK, Plot, panels, row_colours, to_svg
from backmapbench.board.summed import SHOWN_CONTROLS, Part, Summed, shown
from backmapbench.datasets.catalogue import CARDS, dataset_names
from backmapbench.datasets.catalogue import read_card as read_dataset
from backmapbench.metrics.markov_model import bayesian_timescales, estimate

MAXIMUM_KT = 7.0
PROCESSES = 4
TORSIONS: dict[tuple[str, ...], str] = {("C", "N", "CA", "C"): "φ", ("N", "CA", "C", "N"): "ψ"}


@dataclass(frozen=True)
class Settings:
    """What of the task card the pictures need: labels of the torsions, lag, and the Bayesian model's seed and size."""

    torsions: tuple[str, ...]
    lag_frames: int
    lag_ps: float
    seed: int
    samples: int


def settings(board: Board) -> Settings | None:
    """The board's kinetics from its task card; None if that card, in that version, is not in the package."""
    card = known_card(board)
    if card is None or card.kinetics is None or card.dataset not in dataset_names():
        return None
    frame_ps = read_dataset(CARDS / f"{card.dataset}.toml").frame_ps
    if frame_ps is None:
        return None
    kinetics = card.kinetics
    labels = tuple(_label(torsion) for torsion in kinetics.torsions)
    lag_ps = kinetics.lag_frames * frame_ps
    return Settings(labels, kinetics.lag_frames, lag_ps, kinetics.seed, kinetics.bayesian_samples)


def surfaces(board: Board, found: Summed, known: Settings | None) -> Plot:
    """Free energy surfaces of the reference, the models and some controls, side by side."""
    rows = shown(board, found)
    figure, axes = panels(len(rows) + 1, 5, (1.9, 1.75), square=True)
    image = None
    for place, (name, part) in zip(axes, {"reference": found.reference, **rows}.items(), strict=True):
        extent = (-180.0, 180.0, -180.0, 180.0)
        image = place.imshow(
            _grid(part).T,
            origin="lower",
            extent=extent,
            vmin=0.0,
            vmax=MAXIMUM_KT,
            cmap="viridis",
            interpolation="none",
        )
        place.set_title(name)
        for axis in (place.xaxis, place.yaxis):
            axis.set_major_locator(FixedLocator([-180.0, 0.0, 180.0]))
        place.spines[["top", "right"]].set_visible(True)
    labels = known.torsions if known and len(known.torsions) == 2 else ("first torsion", "second torsion")
    figure.supxlabel(f"{labels[0]} (degrees)", fontsize=8.5)
    figure.supylabel(f"{labels[1]} (degrees)", fontsize=8.5)
    if image is not None:
        bar = figure.colorbar(image, ax=axes, aspect=20, extend="max", ticks=range(0, 8, 2))
        bar.set_label("free energy (kT)")
        bar.outline.set_linewidth(0.4)
    caption = (
        "Free energy over the task's two torsions, weighted by each row's Markov model, from the lowest bin up; "
        "blank: never visited."
    )
    alt = f"Free energy surfaces of the reference and of {', '.join(rows)}."
    return Plot("Free energy surface", caption, to_svg(figure, f"{board.task}-fes", alt))


def _grid(part: Part) -> NDArray[np.float64]:
    """F - min F in kT on the grid, (bins, bins), NaN where no frame fell."""
    transitions, visits = np.asarray(part["transitions"]), sparse.csr_array(part["visits"])
    cells = round((visits.shape[-1] / len(transitions)) ** 0.5) ** 2
    states, places = np.divmod(visits.indices, cells)
    # A frame weighs its state's stationary share over the frames in it, as in fes_rmse_kt; a picture needs no
    # pseudo-count.
    frames = np.bincount(states, weights=visits.data, minlength=len(transitions))
    each = np.divide(estimate(transitions).stationary, frames, out=np.zeros(len(frames)), where=frames > 0)
    weights = np.bincount(places, weights=visits.data * each[states], minlength=cells)
    visited = weights > 0
    surface = -np.log(weights, out=np.full(cells, np.nan), where=visited)
    lowest = surface[visited].min() if visited.any() else 0.0
    return (surface - lowest).reshape(round(cells**0.5), -1)


def timescales(board: Board, found: Summed, known: Settings) -> Plot | None:
    """The slowest implied timescales with Bayesian intervals; None if the reference has none slower than the lag."""
    counts = np.asarray(found.reference["transitions"])
    processes = min(PROCESSES, int((estimate(counts).timescales(known.lag_ps) > known.lag_ps).sum()))
    if processes == 0:
        return None
    rows: Mapping[str, Part] = {"reference": found.reference, **shown(board, found)}
    colours = {"reference": INK, **row_colours(board)}
    figure, axes = panels(1, 1, (6.8, 2.9))
    shifts = np.linspace(-0.3, 0.3, len(rows))
    for shift, (name, part) in zip(shifts, rows.items(), strict=True):
        times, low, high = _estimates(np.asarray(part["transitions"]), known, processes)
        places = np.arange(processes) + shift
        axes[0].vlines(places, low, high, color=colours[name], linewidth=1.6)
        marker = "s" if name in SHOWN_CONTROLS else "o"
        axes[0].plot(places, times, marker, color=colours[name], markersize=4, label=name)
    axes[0].set_yscale("log")
    axes[0].set_ylim(bottom=known.lag_ps / 2)
    axes[0].axhspan(known.lag_ps / 2, known.lag_ps, color=FAINT, alpha=0.15, linewidth=0)
    axes[0].text(-0.47, known.lag_ps / 1.9, "faster than the lag: not resolved", va="bottom", color=FAINT)
    axes[0].set_xticks(range(processes), [f"process {index + 1}" for index in range(processes)])
    axes[0].set_xlim(-0.5, processes - 0.5)
    axes[0].set_ylabel("implied timescale (ps)")
    axes[0].yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes[0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes[0].yaxis.set_minor_formatter(NullFormatter())
    figure.legend(loc="outside right upper", frameon=False)
    caption = (
        f"The slowest processes of each row's Markov model at a lag of {known.lag_ps:g} ps. Points: maximum "
        "likelihood (squares: controls); bars: Bayesian 95 % intervals. Missing points: the row has no such process."
    )
    alt = f"Implied timescales of the reference and of {', '.join(list(rows)[1:])}, in picoseconds."
    return Plot("Implied timescales", caption, to_svg(figure, f"{board.task}-timescales", alt))


def _estimates(
    counts: NDArray[np.float64], known: Settings, processes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Timescales (processes,) in ps, NaN where there is none, and their Bayesian bounds."""
    times = np.full(processes, np.nan)
    found = estimate(counts).timescales(known.lag_ps)[:processes]
    times[: len(found)] = found
    _, low, high = bayesian_timescales(
        counts, known.lag_ps, known.samples, known.seed, processes, lag_frames=known.lag_frames
    )
    return times, low, high


def _label(torsion: list[str]) -> str:
    atoms = tuple(label.split(":")[-1] for label in torsion)
    return TORSIONS.get(atoms, "-".join(atoms))
