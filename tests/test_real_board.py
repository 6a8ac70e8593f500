"""What must hold on the real board: every row run on the embedded data, all frames, with 100 bootstrap replicates."""

import math
from itertools import pairwise

import pytest

from backmapbench.board.checks import oracle_errors, suspected_leaks
from backmapbench.board.rows import collect
from backmapbench.board.standings import judge
from backmapbench.controls import CONTROLS
from backmapbench.runner import PROTOCOL_CONTROLS, Settings, plan, run_rows
from backmapbench.submissions.registry import installed_models
from backmapbench.tasks import Task

JITTERS = ["jitter-0.05", "jitter-0.1", "jitter-0.3"]
STRUCTURE = ["ged", "clash_percent", "chirality_percent", "hidden_torsion_jsd"]
GROWING = ["rmsd_angstrom", "energy_w1_kt", "bond_length_w1_angstrom", "cg_consistency_angstrom"]
ENSEMBLE = ["energy_w1_kt", "bond_length_w1_angstrom", "chirality_percent", "hidden_torsion_jsd"]
TEMPORAL = ["velocity_w1", "frame_jump", "hidden_torsion_timescale_log_error"]
KINETIC_BEADS = ["fes_rmse_kt", "timescale_log_error", "eigenvector_error"]


@pytest.fixture(scope="module")
def standings(task, tmp_path_factory):
    folder = tmp_path_factory.mktemp("board")
    uncertainty = task.card.uncertainty.model_copy(update={"replicates": 100})
    quick = Task(task.card.model_copy(update={"uncertainty": uncertainty}), task.dataset)
    names = [*CONTROLS, *(model.name for model in installed_models())]
    run_rows(quick, plan(quick, names, [0]), Settings(folder))
    (board,) = collect(folder)
    return judge(board)


@pytest.fixture(scope="module")
def value(standings):
    """``value(row, score)``: the number in a cell that was computed."""

    def look_up(row, score):
        cell = standings.board.cell(row, score)
        assert cell.status == "ok", (row, score, cell)
        return cell.value

    return look_up


def learned(standings):
    return [row.name for row in standings.board.rows if not row.control]


def test_every_row_is_there(standings):
    assert {row.name for row in standings.board.rows if row.control} == {*CONTROLS, *PROTOCOL_CONTROLS}
    assert learned(standings)
    ranked = [score.id for score in standings.board.scores if score.ranked]
    for row in standings.board.rows:
        assert all(row.cells[score].status in {"ok", "no pair"} for score in ranked), row.name


def test_oracle_is_exactly_zero(standings, value):
    assert oracle_errors(standings.board) == []
    for score in standings.board.scores:
        if score.ranked:
            cell = standings.board.cell("oracle", score.id)
            assert (cell.value, cell.low, cell.high) == (0, 0, 0), score.id


def test_no_learned_row_looks_like_a_leak(standings):
    assert suspected_leaks(standings.board) == []


def test_a_row_that_reads_the_answer_is_suspected(standings):
    """The check can fail: jittered truth called a model would be better than independent MD in bond lengths."""
    board = standings.board
    oracle = board.row("oracle")
    entry = oracle.model.model_copy(update={"name": "thief", "kind": "model"})
    thief = type(oracle)(entry, oracle.records, oracle.paths, oracle.cells)
    accused = type(board)(board.task, board.version, board.scores, (*board.rows, thief))
    assert any("thief" in text for text in suspected_leaks(accused))


@pytest.mark.parametrize("score", GROWING)
def test_growing_jitter_grows_strictly(value, score):
    errors = [0.0, *(value(row, score) for row in JITTERS)]
    assert all(before < after for before, after in pairwise(errors)), errors


@pytest.mark.parametrize("score", STRUCTURE)
def test_growing_jitter_lowers_no_structural_error(value, score):
    errors = [0.0, *(value(row, score) for row in JITTERS)]
    assert all(before <= after for before, after in pairwise(errors)), errors


@pytest.mark.parametrize("score", ENSEMBLE)
def test_shuffling_leaves_ensembles_alone(value, score):
    assert value("shuffled", score) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("score", TEMPORAL)
def test_shuffling_destroys_time(standings, score):
    board = standings.board
    assert board.cell("shuffled", score).low > board.cell("fresh-md", score).high


@pytest.mark.parametrize("score", ["timescale_log_error", "eigenvector_error"])
def test_shuffling_destroys_kinetics(value, score):
    """Values alone: a resampled fresh MD may lack the rare crossing of phi, so its interval is wide."""
    assert value("shuffled", score) > 0.9
    assert value("shuffled", score) > 10 * value("fresh-md", score)


@pytest.mark.parametrize("score", ["rmsd_angstrom", "cg_consistency_angstrom"])
def test_shuffling_destroys_pairs(value, score):
    assert value("shuffled", score) > value("jitter-0.3", score)


def test_mirror_keeps_internal_distances_and_energy_and_turns_handedness(standings, value):
    assert value("mirror", "energy_w1_kt") < 1e-3
    assert value("mirror", "bond_length_w1_angstrom") < 1e-4
    assert value("mirror", "ged") == 0
    assert value("mirror", "chirality_percent") == pytest.approx(100)
    assert value("mirror", "rmsd_angstrom") > 0.5
    board = standings.board
    assert board.cell("mirror", "hidden_torsion_jsd").low > board.cell("fresh-md", "hidden_torsion_jsd").high


@pytest.mark.parametrize("score", KINETIC_BEADS)
def test_the_board_finds_what_the_beads_fix(standings, score):
    assert "fixed by the input" in {grey.cause for grey in standings.greyed[score]}
    assert score not in standings.ranks


def test_the_board_finds_what_cannot_tell_rows_apart(standings):
    assert {grey.cause for grey in standings.greyed["clash_percent"]} == {"uninformative"}
    assert "cg_consistency_angstrom" not in standings.greyed


def test_fresh_md_has_no_pair(standings):
    for score in ("rmsd_angstrom", "ged", "cg_consistency_angstrom"):
        assert standings.board.cell("fresh-md", score).status == "no pair"


def test_learned_models_beat_bead_centre_wherever_it_counts(standings, value):
    scores = [score.id for score in standings.board.main_scores if score.id not in standings.greyed]
    assert len(scores) >= 8
    for name in learned(standings):
        for score in scores:
            if score == "cg_consistency_angstrom":  # both honour the beads exactly
                assert value(name, score) <= value("bead-centre", score) + 1e-5
            else:
                assert value(name, score) < value("bead-centre", score), (name, score)


def test_a_learned_model_beats_lookup_in_time(standings):
    board = standings.board
    assert any(
        board.cell(name, score).high < board.cell("lookup", score).low
        for name in learned(standings)
        for score in TEMPORAL
    )


def test_ranks_start_at_one_and_put_fresh_md_first_in_energy(standings):
    for score, ranks in standings.ranks.items():
        assert min(rank.rank for rank in ranks.values() if rank is not None) == 1, score
    assert all(math.isfinite(rank.rank) for ranks in standings.ranks.values() for rank in ranks.values() if rank)
