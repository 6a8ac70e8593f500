"""Implied timescales and the Chapman-Kolmogorov test, drawn from transition counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray
from scipy import sparse

from backmapbench.board.boards import Board
from backmapbench.board.cards import known_card
from backmapbench.board.figures import FAINT, INK, MODEL_COLOURS, Plot, panels, row_colours, to_svg
from backmapbench.board.summed import SHOWN_CONTROLS, Part, Summed, shown
from backmapbench.datasets.catalogue import CARDS, dataset_names
from backmapbench.datasets.catalogue import read_card as read_dataset
from backmapbench.metrics.kinetics import picture_lags
from backmapbench.metrics.markov_model import estimate
from backmapbench.metrics.markov_validation import timescales_by_lag
from backmapbench.metrics.posterior import Posterior, bayesian_timescales, draw_posterior

PROCESSES = 4


@dataclass(frozen=True)
class Settings:
    """What of the task card the pictures need: lag, and the Bayesian model's seed and size."""

    lag_frames: int
    lag_ps: float
    seed: int
    samples: int

    @property
    def lags(self) -> tuple[int, ...]:
        """Lags at which transitions were counted for pictures, frames."""
        return picture_lags(self.lag_frames)

    @property
    def lags_ps(self) -> list[float]:
        """The same in ps."""
        return [lag * self.lag_ps / self.lag_frames for lag in self.lags]


def settings(board: Board) -> Settings | None:
    """The board's kinetics from its task card; None if that card, in that version, is not in the package."""
    card = known_card(board)
    if card is None or card.kinetics is None or card.dataset not in dataset_names():
        return None
    frame_ps = read_dataset(CARDS / f"{card.dataset}.toml").frame_ps
    if frame_ps is None:
        return None
    kinetics = card.kinetics
    return Settings(kinetics.lag_frames, kinetics.lag_frames * frame_ps, kinetics.seed, kinetics.bayesian_samples)


@dataclass(frozen=True)
class Kinetics:
    """Transition counts of the reference and the rows that are drawn, and the posterior of each; by row name.

    ``lagged`` (lags, states, states) by row, in the order of ``Settings.lags``; empty where records lack them.
    """

    board: Board
    known: Settings
    counts: Mapping[str, NDArray[np.float64]]
    lagged: Mapping[str, NDArray[np.float64]]
    posteriors: Mapping[str, Posterior]

    @property
    def resolved(self) -> int:
        """Processes of the reference that are slower than the lag, at most ``PROCESSES``."""
        times = estimate(self.counts["reference"]).timescales(self.known.lag_ps)
        return min(PROCESSES, int((times > self.known.lag_ps).sum()))


def kinetics(board: Board, found: Summed, known: Settings) -> Kinetics:
    """What the pictures of kinetics share."""
    rows = {"reference": found.reference, **shown(board, found)}
    counts = {name: np.asarray(part["transitions"], dtype=np.float64) for name, part in rows.items()}
    posteriors = {
        name: draw_posterior(each, known.samples, known.seed, lag_frames=known.lag_frames)
        for name, each in counts.items()
    }
    lagged = {name: _lagged(part, known) for name, part in rows.items() if "lagged_transitions" in part}
    return Kinetics(board, known, counts, lagged, posteriors)


def _lagged(part: Part, known: Settings) -> NDArray[np.float64]:
    states = len(np.asarray(part["transitions"]))
    dense: NDArray[np.float64] = sparse.csr_array(part["lagged_transitions"]).toarray()
    return dense.reshape(len(known.lags), states, states)


def timescales(found: Kinetics) -> Plot | None:
    """The slowest implied timescales with Bayesian intervals; None if the reference has none slower than the lag."""
    processes, lag_ps = found.resolved, found.known.lag_ps
    if processes == 0:
        return None
    colours = {"reference": INK, **row_colours(found.board)}
    figure, axes = panels(1, 1, (6.8, 2.9))
    shifts = np.linspace(-0.3, 0.3, len(found.counts))
    for shift, (name, counts) in zip(shifts, found.counts.items(), strict=True):
        times = timescales_by_lag(counts[None], [lag_ps], processes)[0]
        _, low, high = bayesian_timescales(found.posteriors[name], lag_ps, processes)
        places = np.arange(processes) + shift
        axes[0].vlines(places, low, high, color=colours[name], linewidth=1.6)
        marker = "s" if name in SHOWN_CONTROLS else "o"
        axes[0].plot(places, times, marker, color=colours[name], markersize=4, label=name)
    axes[0].set_ylim(bottom=lag_ps / 2)
    axes[0].axhspan(lag_ps / 2, lag_ps, color=FAINT, alpha=0.15, linewidth=0)
    axes[0].text(-0.47, lag_ps / 1.9, "faster than the lag: not resolved", va="bottom", color=FAINT)
    axes[0].set_xticks(range(processes), [f"process {index + 1}" for index in range(processes)])
    axes[0].set_xlim(-0.5, processes - 0.5)
    axes[0].set_ylabel("implied timescale (ps)")
    _logarithmic(axes[0])
    figure.legend(loc="outside right upper", frameon=False)
    caption = (
        f"The slowest processes of each row's Markov model at a lag of {lag_ps:g} ps. Points: maximum likelihood "
        "(squares: controls); bars: Bayesian 95 % intervals. Missing points: the row has no such process."
    )
    alt = f"Implied timescales of the reference and of {', '.join(list(found.counts)[1:])}, in picoseconds."
    return Plot("Implied timescales", caption, to_svg(figure, f"{found.board.task}-timescales", alt))


def timescales_against_lag(found: Kinetics) -> Plot | None:
    """Implied timescales of every row's model by lag, which tells where a Markov model holds; None without counts."""
    processes, lags_ps = found.resolved, found.known.lags_ps
    if processes == 0 or "reference" not in found.lagged:
        return None
    figure, axes = panels(len(found.lagged), 5, (1.85, 1.7), sharex=True, sharey=True)
    for place, (name, counts) in zip(axes, found.lagged.items(), strict=True):
        times = timescales_by_lag(counts, lags_ps, processes)
        for index in range(processes):
            place.plot(lags_ps, times[:, index], "-", color=MODEL_COLOURS[index], linewidth=1.3)
            place.plot(lags_ps, times[:, index], "o", color=MODEL_COLOURS[index], markersize=2.5)
        place.fill_between(lags_ps, lags_ps[0] / 2, lags_ps, color=FAINT, alpha=0.15, linewidth=0)
        place.axvline(found.known.lag_ps, color=FAINT, linewidth=0.8, linestyle=":")
        place.set_xscale("log")
        place.set_title(name)
        _logarithmic(place, (1.0,))
        place.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=4))
        place.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        place.xaxis.set_minor_formatter(NullFormatter())
    axes[0].set_ylim(bottom=lags_ps[0] / 2)
    figure.supxlabel("lag (ps)", fontsize=8.5)
    figure.supylabel("implied timescale (ps)", fontsize=8.5)
    caption = (
        f"The {processes} slowest timescales of each row's Markov model by its lag. Where they no longer depend on it, "
        "the model holds; dotted: the lag that is scored; grey: faster than the lag, not resolved."
    )
    alt = f"Implied timescales against lag of the reference and of {', '.join(list(found.lagged)[1:])}."
    return Plot("Implied timescales against lag", caption, to_svg(figure, f"{found.board.task}-lags", alt))


def _logarithmic(axes: Axes, subs: tuple[float, ...] = (1.0, 2.0, 5.0)) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=subs))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
