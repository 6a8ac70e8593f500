import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from backmapbench.board.boards import Cell
from backmapbench.board.ranks import rank_rows, tied
from backmapbench.board.rows import collect
from backmapbench.board.standings import judge

RNG = np.random.default_rng(0)
SHARED = RNG.normal(0.0, 1.0, 400)


def cell(value, noise=0.0, shared=1.0, seed=0):
    own = np.random.default_rng(seed).normal(0.0, 1.0, 400)
    return Cell("ok", value, replicates=value + shared * SHARED + noise * own)


def test_pairing_tells_apart_what_intervals_cannot():
    """Intervals of 1.0 and 1.1 with a shared sd of 1 overlap almost wholly; their difference is exact."""
    assert not tied(cell(1.0), cell(1.1), distance=False)
    assert not tied(cell(1.0, 0.01, seed=1), cell(1.1, 0.01, seed=2), distance=False)
    assert tied(cell(1.0, 0.5, seed=1), cell(1.1, 0.5, seed=2), distance=False)


def test_equal_rows_tie_despite_rounding():
    left, right = cell(1.0), cell(1.0 + 1e-13)
    assert tied(left, right, distance=False)


def test_bias_of_a_distance_is_taken_off():
    """Replicates of a distance lie above it; how far differs from row to row and is not a difference of the rows."""
    draws = RNG.normal(0.0, 0.05, 400)
    left = Cell("ok", 1.0, replicates=1.0 + draws)
    right = Cell("ok", 1.0, replicates=1.5 + RNG.normal(0.0, 0.05, 400))
    assert tied(left, right, distance=True)
    assert not tied(left, right, distance=False)


def test_without_replicates_nothing_is_told_apart():
    assert tied(Cell("ok", 1.0), Cell("ok", 5.0), distance=False)
    undefined = Cell("ok", 5.0, replicates=np.full(400, np.nan))
    assert tied(cell(1.0), undefined, distance=False)


@settings(deadline=None, max_examples=60)
@given(st.floats(0.01, 10.0), st.floats(0.0, 5.0))
def test_a_row_ties_with_itself_and_larger_gaps_never_tie_again(value, gap):
    base = cell(value, 0.3, seed=3)
    assert tied(base, base, distance=False)
    if not tied(base, cell(value + gap, 0.3, seed=4), distance=False):
        assert not tied(base, cell(value + 2 * gap, 0.3, seed=4), distance=False)


def test_groups_share_a_rank_and_the_next_skips(folder):
    (board,) = collect(folder)
    score = next(score for score in board.scores if score.id == "energy_w1_kt")
    ranks = rank_rows(board, score)
    assert "oracle" not in ranks
    assert (ranks["shuffled"].rank, ranks["mirror"].rank) == (1, 1)
    assert (ranks["fresh-md"].rank, ranks["fresh-md"].group) == (3, 2)
    assert (ranks["good"].rank, ranks["good"].group) == (5, 4)


def test_failed_and_undefined_rows_are_last(folder):
    standings = judge(collect(folder)[0])
    for score in ("energy_w1_kt", "rmsd_angstrom"):
        ranks = standings.ranks[score]
        assert ranks["broken"].rank == max(rank.rank for rank in ranks.values())
        assert sum(rank.rank == ranks["broken"].rank for rank in ranks.values()) == 1


def test_no_pair_has_no_rank_and_greyed_columns_have_none(folder):
    standings = judge(collect(folder)[0])
    assert standings.rank("rmsd_angstrom", "fresh-md") is None
    assert standings.rank("fes_rmse_kt", "good") is None
    assert "fes_rmse_kt" not in standings.ranks
