import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from backmapbench.board.distributions import BINS, window
from backmapbench.board.figures import row_colours
from backmapbench.board.plots import METRICS, draw
from backmapbench.board.rows import collect
from backmapbench.board.summed import summed
from backmapbench.board.surface_plots import free_energies


@pytest.fixture(scope="module")
def board(folder):
    return collect(folder)[0]


@pytest.fixture(scope="module")
def pictures(board):
    return draw(board)


def test_every_metric_has_its_picture(pictures):
    titles = [plot.title for plot in pictures]
    expected = ["Potential energy", "Bond lengths", "Frame-to-frame speed", "Free energy surface", "Implied timescales"]
    assert titles == expected


def test_ids_do_not_clash_between_pictures(pictures):
    ids = [name for plot in pictures for name in re.findall(r'\bid="([^"]+)"', plot.svg)]
    assert ids
    assert len(ids) == len(set(ids))


def test_clipped_shares_are_written_on_the_picture(pictures):
    energies = pictures[0]
    assert "100% outside" in energies.svg
    assert "jitter-0.3 100%" in energies.svg


def test_colours_stay_with_rows_whatever_is_drawn(board):
    colours = row_colours(board)
    assert colours["good"] != colours["broken"]
    assert {colours["oracle"], colours["mirror"]} == {"#858c96"}


def test_statistics_are_summed_over_blocks_and_averaged_over_seeds(board):
    found = summed(board, METRICS)["energy_w1_kt"]
    frames = 24 * 500
    assert found.reference["energies"].sum() == frames
    assert found.rows["good"]["energies"].sum() == pytest.approx(frames)
    assert found.rows["oracle"]["energies"].sum() == frames
    assert "broken" not in found.rows


def test_rows_without_statistics_draw_nothing(tmp_path, kit):
    kit.write_row(tmp_path, "m", kit.GOOD, kind="model")
    assert draw(collect(tmp_path)[0]) == []


@settings(deadline=None, max_examples=50)
@given(st.floats(0.0, 100.0), st.floats(0.001, 20.0), st.integers(0, 99))
def test_a_window_holds_nearly_all_of_its_reference(mean, sd, seed):
    values, weights = np.unique(np.round(np.random.default_rng(seed).normal(mean, sd, 3000), 2), return_counts=True)
    view = window(values, weights.astype(float), 0.01)
    density, share = view.density(values, weights.astype(float))
    assert share <= 0.005
    assert (density * np.diff(view.edges)).sum() == pytest.approx(1.0 - share)
    assert len(density) <= 2 * BINS + 2


def test_a_window_on_a_spike_is_wide_enough_to_see_others():
    view = window(np.array([1.09]), np.array([1000.0]), 1e-4, 0.0, 0.1)
    assert view.edges[-1] - view.edges[0] >= 0.1
    assert view.edges[0] < 1.09 < view.edges[-1]


def test_a_surface_weighs_frames_by_their_states():
    """Two states, each in a bin of its own, sampled 3 : 1, while the model says 1 : 1: both bins lie equally deep."""
    visits = sparse.csr_array(np.array([[30.0, 0, 0, 0, 0, 0, 0, 10.0]]))
    grid = free_energies({"transitions": np.array([[9.0, 1.0], [1.0, 9.0]]), "visits": visits})
    assert grid[0, 0] == pytest.approx(0.0, abs=1e-9)
    assert grid[1, 1] == pytest.approx(0.0, abs=1e-9)
    assert np.isnan(grid[0, 1])
    assert np.isnan(grid[1, 0])
