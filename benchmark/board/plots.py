"""All plots of a board, from the block statistics beside its records."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib as mpl

from backmapbench.board.boards import Board
from backmapbench.board.chapman_kolmogorov_plots import persistence
from backmapbench.board.class_plots import ANGLES, BONDS, by_class
from backmapbench.board.distributions import ENERGY, RADIUS, SPEED, by_row
from backmapbench.board.figures import STYLE, Plot
from backmapbench.board.kinetics_plots import kinetics, settings, timescales, timescales_against_lag
from backmapbench.board.process_plots import processes
from backmapbench.board.ramachandran_plots import ramachandran
from backmapbench.board.summed import Summed, summed
from backmapbench.board.surface_plots import surfaces

METRICS = (
    "energy_w1_kt",
    "bond_length_w1_angstrom",
    "angle_w1_degree",
    "torsion_jsd",
    "rg_w1_angstrom",
    "velocity_w1",
    "fes_rmse_kt",
    "timescale_log_error",
    "eigenvector_error",
)


def draw(board: Board) -> list[Plot]:
    """The pictures of ``METRICS`` that some row was scored on."""
    found = summed(board, METRICS)
    with mpl.rc_context(STYLE):
        plots = [*_structure(board, found), *_kinetics(board, found)]
    return [plot for plot in plots if plot is not None]


def _structure(board: Board, found: dict[str, Summed]) -> list[Plot | None]:
    drawn: dict[str, Callable[[Summed], Plot | None]] = {
        "energy_w1_kt": lambda each: by_row(board, each, ENERGY),
        "bond_length_w1_angstrom": lambda each: by_class(board, each, BONDS),
        "angle_w1_degree": lambda each: by_class(board, each, ANGLES),
        "torsion_jsd": lambda each: ramachandran(board, each),
        "rg_w1_angstrom": lambda each: by_row(board, each, RADIUS),
        "velocity_w1": lambda each: by_row(board, each, SPEED),
        "fes_rmse_kt": lambda each: surfaces(board, each),
    }
    return [make(found[metric]) for metric, make in drawn.items() if metric in found]


def _kinetics(board: Board, found: dict[str, Summed]) -> list[Plot | None]:
    known = settings(board)
    if known is None:
        return []
    plots: list[Plot | None] = []
    if "timescale_log_error" in found:
        shared = kinetics(board, found["timescale_log_error"], known)
        plots += [timescales(shared), timescales_against_lag(shared), persistence(shared)]
    if "eigenvector_error" in found and "fes_rmse_kt" in found:  # drawn on the surface's grid
        plots.append(processes(board, found["fes_rmse_kt"], known.lag_ps))
    return plots
