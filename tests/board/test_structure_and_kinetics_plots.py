"""Pictures of angles, Ramachandran maps, radii of gyration and Markov models, from statistics in their true shapes."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import sparse

from backmapbench.board.boards import Board, Row
from backmapbench.board.chapman_kolmogorov_plots import persistence
from backmapbench.board.class_plots import ANGLES, by_class
from backmapbench.board.distributions import RADIUS, by_row
from backmapbench.board.kinetics_plots import Settings, kinetics, timescales, timescales_against_lag
from backmapbench.board.process_plots import processes
from backmapbench.board.ramachandran_plots import contours, density, ramachandran
from backmapbench.board.summed import Summed
from backmapbench.board.surface_maps import coordinates
from backmapbench.board.surface_plots import surfaces
from backmapbench.metrics import angle, radius_of_gyration
from backmapbench.metrics.histograms import count
from backmapbench.metrics.torsion_jsd import BINS
from backmapbench.records import ModelEntry

KNOWN = Settings(lag_frames=2, lag_ps=4.0, seed=0, samples=20)
STATES, GRID = 4, 6
SPHERE = BINS**2 + 1


def board_of(task, *names):
    models = [ModelEntry(name=name, kind="model", looks_ahead=False, description="", origin="test") for name in names]
    return Board(task, 1, (), tuple(Row(model, (), (), {}) for model in models))


def texts(plot):
    return re.findall(r"<text[^>]*>([^<]*)</text>", plot.svg)


def chain(slow):
    """Counts (lags, states, states) of two pairs of states, between which ``slow`` of the flux passes; exact."""
    flux = np.full((STATES, STATES), slow / 4)
    flux[:2, :2] += [[6.0, 3.0], [3.0, 6.0]]
    flux[2:, 2:] += [[6.0, 3.0], [3.0, 6.0]]
    step = flux / flux.sum(axis=1, keepdims=True)
    weights = flux.sum(axis=1) / flux.sum()
    return np.array([1e4 * weights[:, None] * np.linalg.matrix_power(step, lag) for lag in KNOWN.lags])


def markov(slow):
    counts = chain(slow)
    place = KNOWN.lags.index(KNOWN.lag_frames)
    return {"transitions": counts[place], "lagged_transitions": sparse.csr_array(counts.reshape(1, -1))}


def surface(slow):
    """Every state fills a quarter of a grid."""
    visits = np.zeros((STATES, GRID, GRID))
    for state, (x, y) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        visits[state, 3 * x : 3 * x + 3, 3 * y : 3 * y + 3] = 10.0
    extent = np.array([[0.5, 1.0], [2.0, 3.0]]) * 360.0
    frames = np.array([360.0])
    return {"visits": sparse.csr_array(visits.reshape(1, -1)), "frames": frames, "extent": extent, **markov(slow)}


@pytest.fixture(scope="module")
def shared():
    rows = {"same": markov(0.2), "stuck": {**markov(0.2), "transitions": np.eye(STATES) * 1e4}}
    return kinetics(board_of("t", "same", "stuck"), Summed(markov(0.2), rows), KNOWN)


def test_angles_have_a_panel_for_every_class_and_row():
    def part(mean, undefined):
        draws = np.random.default_rng(0).normal(mean, 2.0, 1000)
        found = {name: count(draws, angle.CELL_DEGREE, angle.CELLS) for name in ("C-C-H", "C-N-C")}
        return found | {angle.undefined(name): np.asarray(undefined) for name in ("C-C-H", "C-N-C")}

    found = Summed(part(110.0, 0.0), {"good": part(110.0, 0.0), "broken": part(110.0, 1000.0)})
    words = texts(by_class(board_of("t", "good", "broken"), found, ANGLES))
    assert {"C-C-H", "C-N-C", "good", "broken", "bond angle (degrees)"} <= set(words)
    assert words.count("50% outside") == 2  # half of the broken row's are undefined
    assert not any(word.startswith(angle.UNDEFINED) for word in words)


def test_radii_of_gyration_are_drawn_by_row():
    def part(mean):
        draws = np.random.default_rng(0).normal(mean, 0.05, 1000)
        return {"radii": count(draws, radius_of_gyration.CELL_NM, radius_of_gyration.CELLS)}

    plot = by_row(board_of("t", "good", "far"), Summed(part(1.5), {"good": part(1.5), "far": part(9.0)}), RADIUS)
    assert "100% outside" in texts(plot)
    assert plot.title == "Radius of gyration"


def test_a_map_is_a_density_and_its_contours_hold_their_shares():
    cells = np.zeros((2, SPHERE))
    cells[0, :4] = [50.0, 30.0, 15.0, 5.0]
    cells[1, -1] = 100.0
    found, undefined = density({"maps": sparse.csr_array(cells.reshape(1, -1))})
    assert undefined == pytest.approx(0.5)
    assert found.sum() * (360 / BINS) ** 2 == pytest.approx(0.5)
    assert found[0, 1] / found[0, 0] == pytest.approx(0.6)  # phi slow
    levels = contours(found)
    held = [found[found >= level].sum() / found.sum() for level in levels]
    assert held == pytest.approx([1.0, 0.95, 0.5])
    assert not len(contours(np.zeros((BINS, BINS))))


def test_ramachandran_maps_tell_what_is_undefined_and_are_left_out_without_residues():
    cells = np.zeros((1, SPHERE))
    cells[0, 5], lost = 10.0, np.zeros((1, SPHERE))
    lost[0, -1] = 10.0
    reference = {"maps": sparse.csr_array(cells)}
    found = Summed(reference, {"good": reference, "collapsed": {"maps": sparse.csr_array(lost)}})
    assert "100% undefined" in texts(ramachandran(board_of("t", "good", "collapsed"), found))
    nothing = {"maps": sparse.csr_array((1, 0))}
    assert ramachandran(board_of("t", "good"), Summed(nothing, {"good": nothing})) is None


def test_a_surface_without_a_model_and_with_its_own_coordinates():
    part = {name: value for name, value in surface(0.2).items() if name != "transitions"}
    part["visits"] = sparse.csr_array(part["visits"].toarray().reshape(STATES, -1).sum(axis=0)[None])
    axes = coordinates(board_of("elsewhere"), part)
    assert axes.extent == pytest.approx((0.5, 2.0, 1.0, 3.0))
    plot = surfaces(board_of("elsewhere", "good"), Summed(part, {"good": part}))
    assert "every frame alike" in plot.caption
    assert coordinates(board_of("elsewhere"), {"visits": part["visits"]}).extent is None


def test_coordinates_are_named_by_the_card():
    independent = coordinates(Board("ped00151-ucg-5", 1, (), ()), surface(0.2))
    assert independent.labels == ("radius of gyration (nm)", "end-to-end CA distance (nm)")
    assert coordinates(Board("cln-temporal", 1, (), ()), surface(0.2)).labels[1] == "second TICA component"


def test_timescales_against_lag_are_flat_for_a_markov_chain(shared):
    assert shared.resolved == 1
    plot = timescales_against_lag(shared)
    assert {"reference", "same", "stuck", "lag (ps)"} <= set(texts(plot))
    assert "4 ps" in timescales(shared).caption


def test_the_chapman_kolmogorov_test_leaves_out_rows_without_a_model(shared):
    plot = persistence(shared)
    assert {"reference", "same", "set 1", "set 2", "time (ps)"} <= set(texts(plot))
    assert "stuck" not in texts(plot)  # never leaves a state: there is no process to test


def test_older_records_have_no_counts_at_other_lags():
    part = {"transitions": markov(0.2)["transitions"]}
    found = kinetics(board_of("t", "old"), Summed(part, {"old": part}), KNOWN)
    assert timescales(found) is not None
    assert timescales_against_lag(found) is None
    assert persistence(found) is None


def test_a_reference_that_is_fast_has_no_slow_process():
    part = surface(60.0)
    found = kinetics(board_of("t", "row"), Summed(part, {"row": part}), KNOWN)
    drawn = [timescales(found), timescales_against_lag(found), persistence(found)]
    assert [*drawn, processes(board_of("t", "row"), Summed(part, {"row": part}), 4.0)] == [None] * 4


def test_slow_processes_stand_beside_their_cosines():
    stuck = {**surface(0.2), "transitions": np.diag([1e4, 0.0, 0.0, 0.0])}
    found = Summed(surface(0.2), {"same": surface(0.2), "stuck": stuck})
    words = texts(processes(board_of("t", "same", "stuck"), found, 4.0))
    assert "|cos| 1.00" in words
    assert "no such process" in words
    without = {"visits": surface(0.2)["visits"]}
    assert processes(board_of("t", "same"), Summed(without, {"same": without}), 4.0) is None
