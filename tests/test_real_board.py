"""What must hold on the real board: every row run on the embedded data, all frames, with 100 bootstrap replicates."""

import dataclasses
import functools
import math
from itertools import pairwise

import pytest

from backmapbench.board.checks import oracle_errors, suspected_leaks
from backmapbench.board.rows import collect
from backmapbench.board.standings import judge
from backmapbench.controls import CONTROLS
from backmapbench.planning import PROTOCOL_CONTROLS, Settings, plan
from backmapbench.runner import run_rows
from backmapbench.submissions.registry import installed_models
from backmapbench.tasks import embedded_tasks, load_task

JITTERS = ["jitter-0.05", "jitter-0.1", "jitter-0.3"]
STRUCTURE = ["ged", "clash_percent", "chirality_percent", "cis_omega_percent", "hidden_torsion_jsd"]
GROWING = [
    "rmsd_angstrom",
    "lddt",
    "energy_w1_kt",
    "energy_terms_w1_kt",
    "bond_length_w1_angstrom",
    "angle_w1_degree",
    "cg_consistency_angstrom",
]
ENSEMBLE = [
    "energy_w1_kt",
    "energy_terms_w1_kt",
    "bond_length_w1_angstrom",
    "angle_w1_degree",
    "torsion_jsd",
    "rg_w1_angstrom",
    "chirality_percent",
    "hidden_torsion_jsd",
]
TEMPORAL = ["velocity_w1", "frame_jump", "hidden_torsion_timescale_log_error"]
DECIDED_BY_WHAT_BEADS_LEAVE_OPEN = [
    "energy_w1_kt",
    "energy_terms_w1_kt",
    "bond_length_w1_angstrom",
    "angle_w1_degree",
    "hidden_torsion_jsd",
    "hidden_torsion_timescale_log_error",
    "velocity_w1",
]
NO_WORSE_THAN_REAL_FRAMES = [
    "energy_w1_kt",
    "energy_terms_w1_kt",
    "bond_length_w1_angstrom",
    "angle_w1_degree",
]
KINETIC_BEADS = ["fes_rmse_kt", "timescale_log_error", "eigenvector_error"]
SAMPLED = {"energy_score_angstrom", "calibration", "diversity_angstrom"}
SMALLEST_LDDT = 0.01  # noise of 0.05 Angstrom moves no distance by the first threshold of 0.5
QUICK = ["adp-mini-temporal", "cln-mini-temporal", "villin-mini-ucg-5", "nls-mini-ucg-8"]
TASKS = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in embedded_tasks()]


def _standings(task, folder, names):
    uncertainty = task.card.uncertainty.model_copy(update={"replicates": 100})
    card = task.card.model_copy(update={"uncertainty": uncertainty})
    quick = dataclasses.replace(task, card=card)
    run_rows(quick, plan(quick, names, [0]), Settings(folder, skip_unsupported=True))
    (board,) = collect(folder)
    return judge(board)


@pytest.fixture(scope="module")
def standings(task, tmp_path_factory):
    """The board of alanine dipeptide with all models."""
    names = [*CONTROLS, *(model.name for model in installed_models())]
    return _standings(task, tmp_path_factory.mktemp("board"), names)


@pytest.fixture(scope="module", params=TASKS)
def controls(request, tmp_path_factory):
    """The board of every embedded task with its control rows."""
    if request.param == "adp-mini-temporal":
        return request.getfixturevalue("standings")
    folder = tmp_path_factory.mktemp("controls")
    return _standings(load_task(request.param), folder, [*CONTROLS, *PROTOCOL_CONTROLS])


@pytest.fixture(scope="module")
def value(standings):
    """``value(row, score)``: the number in a cell that was computed."""
    return functools.partial(_value, standings)


@pytest.fixture(scope="module")
def of(controls):
    """The same on the board of controls; None for a score that the task does not have."""
    known = {score.id for score in controls.board.scores}

    def look_up(row, score):
        applies = score in known and controls.board.cell(row, score).status != "not applicable"
        return _value(controls, row, score) if applies else None

    return look_up


def _value(standings, row, score):
    cell = standings.board.cell(row, score)
    assert cell.status == "ok", (row, score, cell)
    return cell.value


def better(board, row, rival, score):
    """Whether ``row`` has the smaller error, outside both intervals."""
    return board.cell(row, score).high < board.cell(rival, score).low


def learned(standings):
    return [row.name for row in standings.board.rows if not row.control]


def test_every_row_is_there(controls, standings):
    board = controls.board
    wanted = {name for name, control in CONTROLS.items() if control.present(load_task(board.task))}
    assert {row.name for row in board.rows if row.control} == {*wanted, *PROTOCOL_CONTROLS}
    assert learned(standings)
    ranked = [score.id for score in board.scores if score.ranked]
    for row in board.rows:
        for score in ranked:
            assert row.cells[score].status in {"ok", "no pair", "not applicable"}, (row.name, score)
    applicable = [score for score in ranked if board.cell("oracle", score).status == "ok"]
    assert len(applicable) >= 15


def test_oracle_is_exactly_zero(controls):
    board = controls.board
    assert oracle_errors(board) == []
    for score in board.scores:
        cell = board.cell("oracle", score.id)
        if score.ranked and cell.status == "ok":
            assert (cell.value, cell.low, cell.high) == (0, 0, 0), score.id


def test_growing_jitter_grows_strictly(of):
    seen = 0
    for score in GROWING:
        errors = [of(row, score) for row in ("oracle", *JITTERS)]
        if None not in errors:
            seen += 1
            slack = SMALLEST_LDDT if score == "lddt" else 0.0
            assert all(before < after or after < slack for before, after in pairwise(errors)), (score, errors)
    assert seen >= 5


def test_growing_jitter_lowers_no_structural_error(of):
    for score in STRUCTURE:
        errors = [of(row, score) for row in ("oracle", *JITTERS)]
        if None not in errors:
            assert all(before <= after for before, after in pairwise(errors)), (score, errors)


def test_shuffling_leaves_ensembles_alone(of):
    for score in ENSEMBLE:
        if of("shuffled", score) is not None:
            assert of("shuffled", score) == pytest.approx(0, abs=1e-9), score


def test_shuffling_destroys_pairs(of):
    for score in ("rmsd_angstrom", "cg_consistency_angstrom"):
        assert of("shuffled", score) > of("jitter-0.3", score)


def test_mirror_keeps_internal_distances_and_turns_handedness(of):
    assert of("mirror", "bond_length_w1_angstrom") < 1e-4
    assert of("mirror", "ged") == 0
    assert of("mirror", "chirality_percent") == pytest.approx(100, abs=0.01)
    assert of("mirror", "rmsd_angstrom") > 0.5
    if of("mirror", "energy_w1_kt") is not None:
        assert of("mirror", "energy_w1_kt") < 1e-3


def test_bead_centre_honours_beads_and_destroys_geometry(of):
    assert of("bead-centre", "cg_consistency_angstrom") < 1e-3
    for score in ("ged", "bond_length_w1_angstrom", "angle_w1_degree"):
        assert of("bead-centre", score) > of("jitter-0.3", score), score


def test_lookup_is_made_of_real_frames(of):
    for score in ("ged", "bond_length_w1_angstrom", "angle_w1_degree", "clashscore"):
        assert of("lookup", score) < of("jitter-0.1", score), score
    assert of("lookup", "cg_consistency_angstrom") > 0


def test_conditional_md_draws_from_the_truth(controls, of):
    """Where a task has it: real geometry at the very beads, and a spread that the truth could be one sample of."""
    if "conditional-md" not in {row.name for row in controls.board.rows}:
        pytest.skip(f"no conditional MD of {controls.board.task} is embedded")
    assert of("conditional-md", "cg_consistency_angstrom") < 0.01
    assert of("conditional-md", "ged") <= of("jitter-0.1", "ged")
    assert of("conditional-md", "calibration") < 0.25


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


@pytest.mark.parametrize("score", TEMPORAL)
def test_shuffling_destroys_time(standings, score):
    board = standings.board
    assert board.cell("shuffled", score).low > board.cell("fresh-md", score).high


@pytest.mark.parametrize("score", ["timescale_log_error", "eigenvector_error"])
def test_shuffling_destroys_kinetics(value, score):
    """Values alone: a resampled fresh MD may lack the rare crossing of phi, so its interval is wide."""
    assert value("shuffled", score) > 0.9
    assert value("shuffled", score) > 10 * value("fresh-md", score)


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
            elif (name, score) == ("frame-cvae", "hidden_torsion_timescale_log_error"):
                # Frames drawn by themselves forget at once, which counts as much as standing still.
                assert value(name, score) == pytest.approx(value("bead-centre", score), rel=1e-3)
            else:
                assert value(name, score) < value("bead-centre", score), (name, score)


@pytest.mark.parametrize("score", ["velocity_w1", "hidden_torsion_timescale_log_error", "cg_consistency_angstrom"])
def test_the_best_temporal_model_beats_lookup(standings, score):
    """Frame jumps are left out: lookup jumps no more often than molecular dynamics here, so nothing can beat it."""
    assert better(standings.board, "equivariant-temporal", "lookup", score)


@pytest.mark.parametrize("score", NO_WORSE_THAN_REAL_FRAMES)
def test_the_best_temporal_model_is_no_worse_than_real_frames(standings, score):
    assert not better(standings.board, "lookup", "equivariant-temporal", score)


@pytest.mark.parametrize("score", ["velocity_w1", "hidden_torsion_timescale_log_error"])
def test_the_best_temporal_model_beats_single_frames_in_time(standings, score):
    assert better(standings.board, "equivariant-temporal", "frame-cvae", score)


def test_the_voxel_cvae_is_better_than_the_best_temporal_model_in_nothing(standings):
    open_scores = [score.id for score in standings.board.main_scores if score.id not in standings.greyed]
    pairs = [score for score in open_scores if standings.board.cell("equivariant-temporal", score).status == "ok"]
    assert len(pairs) >= 12
    assert not [score for score in pairs if better(standings.board, "temporal-cvae", "equivariant-temporal", score)]
    won = [score for score in pairs if better(standings.board, "equivariant-temporal", "temporal-cvae", score)]
    assert set(won) >= set(DECIDED_BY_WHAT_BEADS_LEAVE_OPEN)


@pytest.mark.slow
def test_the_best_temporal_model_on_chignolin(tmp_path):
    """Fitted and run anew, which takes minutes."""
    task = load_task("cln-mini-temporal")
    standings = _standings(task, tmp_path, ["equivariant-temporal", "lookup", "fresh-md"])
    for score in ("velocity_w1", "frame_jump", "cg_consistency_angstrom"):
        assert better(standings.board, "equivariant-temporal", "lookup", score), score
    for score in NO_WORSE_THAN_REAL_FRAMES:
        assert not better(standings.board, "lookup", "equivariant-temporal", score), score
    # Twenty trajectories cannot tell more: fresh molecular dynamics' own interval overlaps lookup's.
    memory = "hidden_torsion_timescale_log_error"
    assert _value(standings, "equivariant-temporal", memory) < _value(standings, "lookup", memory)


def test_the_frame_before_is_what_makes_speeds(standings):
    """The central claim of Shmilovich 2022: the same network without the frame before has other speeds."""
    cells = {name: standings.board.cell(name, "velocity_w1") for name in ("temporal-cvae", "frame-cvae")}
    assert cells["temporal-cvae"].high < cells["frame-cvae"].low


@pytest.mark.parametrize("score", DECIDED_BY_WHAT_BEADS_LEAVE_OPEN)
def test_the_best_temporal_model_is_as_good_as_twice_the_noise_floor(standings, value, score):
    assert value("equivariant-temporal", score) <= 2 * standings.board.cell("fresh-md", score).high


def test_ranks_start_at_one_and_put_fresh_md_first_in_energy(standings):
    for score, ranks in standings.ranks.items():
        found = [rank.rank for rank in ranks.values() if rank is not None]
        assert not found or min(found) == 1, score
    assert len([ranks for ranks in standings.ranks.values() if any(ranks.values())]) >= 8
    assert all(math.isfinite(rank.rank) for ranks in standings.ranks.values() for rank in ranks.values() if rank)
