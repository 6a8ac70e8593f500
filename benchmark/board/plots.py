"""All plots of a board, from the block statistics beside its records."""

from __future__ import annotations

import matplotlib as mpl

from backmapbench.board.boards import Board
from backmapbench.board.distributions import ENERGY, SPEED, bond_lengths, by_row
from backmapbench.board.figures import STYLE, Plot
from backmapbench.board.kinetics_plots import settings, surfaces, timescales
from backmapbench.board.summed import summed

METRICS = (
    "energy_w1_kt",
    "bond_length_w1_angstrom",
    "fes_rmse_kt",
    "timescale_log_error",
    "velocity_w1",
)


def draw(board: Board) -> list[Plot]:
    """A plot for each of ``METRICS`` that some row was scored on."""
    found = summed(board, METRICS)
    known = settings(board)
    plots: list[Plot | None] = []
    with mpl.rc_context(STYLE):
        if "energy_w1_kt" in found:
            plots.append(by_row(board, found["energy_w1_kt"], ENERGY))
        if "bond_length_w1_angstrom" in found:
            plots.append(bond_lengths(board, found["bond_length_w1_angstrom"]))
        if "velocity_w1" in found:
            plots.append(by_row(board, found["velocity_w1"], SPEED))
        if "fes_rmse_kt" in found:
            plots.append(surfaces(board, found["fes_rmse_kt"], known))
        if "timescale_log_error" in found and known is not None:
            plots.append(timescales(board, found["timescale_log_error"], known))
    return [plot for plot in plots if plot is not None]
