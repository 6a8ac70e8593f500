"""Skill against the ruling, worked out by hand, and frozen with a task's version."""

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backmapbench.board import standings as standings_module
from backmapbench.board.freezing import to_freeze
from backmapbench.board.frozen import Frozen, FrozenGrey, FrozenScore, frozen_path, read_frozen, write_frozen
from backmapbench.board.greying import find_greyed
from backmapbench.board.rows import collect
from backmapbench.board.skill import Yardstick, find_yardsticks, yardstick
from backmapbench.board.standings import judge
from backmapbench.cli.freeze import freeze
from backmapbench.errors import CardError, RecordError
from backmapbench.metrics.registry import METRICS, metric_class
from backmapbench.metrics.resolutions import DEFAULT, resolution, table


def measure(null=8.0, floor=1.0, smallest=0.1, **changes):
    return Yardstick("null", null, "floor", floor, smallest, frozen=False, **changes)


def test_the_ruling_by_hand():
    found = measure()
    assert found.skill(1.0) == 1
    assert found.skill(8.0) == 0
    assert found.skill(math.sqrt(8)) == pytest.approx(0.5)
    assert found.skill(0.0) == found.skill(0.3) == 1  # below the floor nothing is gained
    assert found.skill(64.0) == pytest.approx(-1)
    assert found.skill(1e6) == -1
    assert measure(floor=0.0, null=0.4).skill(0.2) == pytest.approx(0.5)  # the resolution is the floor


@given(st.floats(0.0, 1e6), st.floats(0.0, 1e6), st.floats(1e-6, 1e3))
def test_a_larger_error_is_never_more_skill_and_units_do_not_matter(one, other, factor):
    found = measure()
    scaled = measure(8.0 * factor, factor, 0.1 * factor)
    low, high = sorted((one, other))
    assert -1 <= found.skill(high) <= found.skill(low) <= 1
    assert scaled.skill(one * factor) == pytest.approx(found.skill(one), abs=1e-9)


def test_an_error_that_is_no_number_has_no_skill():
    assert math.isnan(measure().skill(math.nan))
    assert math.isnan(measure(reason="why not").skill(1.0))


def test_a_board_measures_by_its_controls(tmp_path, kit):
    kit.write_controls(tmp_path)
    kit.write_row(tmp_path, "good", kit.GOOD, kind="model")
    (board,) = collect(tmp_path)
    standings = judge(board)
    fresh = board.cell("fresh-md", "energy_w1_kt")
    assert fresh.high > fresh.value
    expected = math.log(600.0 / 3.0) / math.log(600.0 / fresh.high)
    assert standings.skill("energy_w1_kt", "good") == pytest.approx(expected)
    assert standings.skill("energy_w1_kt", "jitter-0.3") == 0
    assert standings.skill("energy_w1_kt", "oracle") == 1
    assert standings.yardsticks["velocity_w1"].null_row == "shuffled"
    assert standings.skill("velocity_w1", "shuffled") == 0
    assert not standings.yardsticks["energy_w1_kt"].frozen


def test_greyed_columns_have_no_skill(tmp_path, kit):
    kit.write_controls(tmp_path)
    standings = judge(collect(tmp_path)[0])
    assert {"clash_percent", "fes_rmse_kt"} == set(standings.greyed)
    assert not set(standings.greyed) & (set(standings.skills) | set(standings.yardsticks))


def test_frame_paired_columns_need_conditional_md(tmp_path, kit):
    kit.write_controls(tmp_path)
    (board,) = collect(tmp_path)
    without = judge(board)
    assert "rmsd_angstrom" not in without.skills
    assert "'conditional-md' has no value" in without.yardsticks["rmsd_angstrom"].reason
    kit.write_row(tmp_path, "conditional-md", {"rmsd_angstrom": 0.3})
    standings = judge(collect(tmp_path)[0])
    assert standings.yardsticks["rmsd_angstrom"].floor_row == "conditional-md"
    assert standings.yardsticks["rmsd_angstrom"].floor > 0.3
    assert standings.skill("rmsd_angstrom", "bead-centre") == 0


@pytest.mark.parametrize(("null", "defined"), [(0.5, True), (0.35, False)])
def test_no_skill_where_the_null_is_not_above_twice_the_floor(tmp_path, kit, null, defined):
    """Independent MD lies at 0.2 with a bound near 0.22."""
    kit.write_controls(tmp_path, energy_w1_kt=(0.0, 0.2, 0.5, 1e4, 0.0, 0.0, 12.0, 50.0, null))
    standings = judge(collect(tmp_path)[0])
    assert ("energy_w1_kt" in standings.skills) == defined
    assert defined or "not above twice" in standings.yardsticks["energy_w1_kt"].reason


def frozen_of(board, **changes):
    score = {"metric_version": 1, "null_row": "jitter-0.3", "null": 100.0, "floor_row": "fresh-md", "floor": 1.0}
    energy = FrozenScore(**({**score, "resolution": 0.05} | changes))
    return Frozen(schema_version=1, task=board.task, version=board.version, scores={"energy_w1_kt": energy})


def test_what_is_frozen_goes_before_the_board(tmp_path, kit, monkeypatch):
    kit.write_controls(tmp_path)
    (board,) = collect(tmp_path)
    monkeypatch.setattr(standings_module, "read_frozen", lambda task, version: frozen_of(board))
    found = judge(board).yardsticks
    assert found["energy_w1_kt"].frozen
    assert found["energy_w1_kt"].skill(10.0) == pytest.approx(0.5)
    assert not found["velocity_w1"].frozen


def test_greyed_columns_are_frozen_too(tmp_path, kit):
    """Whatever this board's controls say: it would grey energies, and not velocities."""
    kit.write_controls(tmp_path, energy_w1_kt=(0.0,) * 9)
    (board,) = collect(tmp_path)
    assert [grey.cause for grey in find_greyed(board)["energy_w1_kt"]] == ["uninformative"]
    assert "energy_w1_kt" not in find_greyed(board, frozen_of(board))
    grey = FrozenGrey(cause="underpowered", sentence="So it was.")
    found = find_greyed(board, frozen_of(board, greyed=(grey,)))["energy_w1_kt"]
    assert [(each.cause, each.sentence) for each in found] == [("underpowered", "So it was.")]


def test_a_yardstick_that_could_not_be_frozen_is_the_boards(tmp_path, kit):
    kit.write_controls(tmp_path)
    (board,) = collect(tmp_path)
    found = find_yardsticks(board, (), frozen_of(board, floor=None))["energy_w1_kt"]
    assert (found.frozen, found.null) == (False, 600.0)


def test_another_version_of_the_metric_is_not_measured_by_what_was_frozen(tmp_path, kit):
    kit.write_controls(tmp_path)
    (board,) = collect(tmp_path)
    score = next(each for each in board.scores if each.id == "energy_w1_kt")
    assert yardstick(board, score, frozen_of(board)).frozen
    newer = dataclasses.replace(score, version=2)
    assert not yardstick(board, newer, frozen_of(board)).frozen


def test_freezing_a_board_and_reading_it_again(tmp_path, kit):
    kit.write_controls(tmp_path / "records")
    (board,) = collect(tmp_path / "records")
    content = to_freeze(board)
    path = write_frozen(content, tmp_path)
    assert path == frozen_path(board.task, board.version, tmp_path)
    assert read_frozen(board.task, board.version, tmp_path) == content
    assert content.scores["energy_w1_kt"].null == 600.0
    assert content.scores["energy_w1_kt"].floor == board.cell("fresh-md", "energy_w1_kt").high
    assert content.scores["rmsd_angstrom"].floor is None  # no conditional MD
    assert [grey.cause for grey in content.scores["fes_rmse_kt"].greyed] == ["fixed by the input"]
    assert content.scores["energy_w1_kt"].greyed == ()
    assert write_frozen(content, tmp_path) == path  # the same numbers may be frozen again


def test_a_frozen_version_does_not_change(tmp_path, kit):
    kit.write_controls(tmp_path / "records")
    (board,) = collect(tmp_path / "records")
    write_frozen(frozen_of(board), tmp_path)
    with pytest.raises(RecordError, match="raise the version"):
        write_frozen(frozen_of(board, null=99.0), tmp_path)
    assert read_frozen(board.task, board.version, tmp_path) == frozen_of(board)
    assert read_frozen(board.task, board.version + 1, tmp_path) is None


def test_rounding_of_another_machine_leaves_what_is_frozen(tmp_path, kit):
    kit.write_controls(tmp_path / "records")
    (board,) = collect(tmp_path / "records")
    path = write_frozen(frozen_of(board), tmp_path)
    written = path.read_bytes()
    assert write_frozen(frozen_of(board, null=100.0 * (1 + 1e-13)), tmp_path) == path
    assert path.read_bytes() == written
    with pytest.raises(RecordError, match="raise the version"):
        write_frozen(frozen_of(board, null=100.0 * (1 + 1e-7)), tmp_path)


def test_the_command_freezes_the_boards_of_a_folder(tmp_path, kit, capsys):
    kit.write_controls(tmp_path / "records")
    freeze(tmp_path / "records", None, tmp_path / "frozen", as_json=True)
    (written,) = json.loads(capsys.readouterr().out)
    assert read_frozen(kit.TASK, kit.VERSION, tmp_path / "frozen") is not None
    assert written == str(frozen_path(kit.TASK, kit.VERSION, tmp_path / "frozen"))


def test_freezing_needs_every_control(tmp_path, kit):
    kit.write_controls(tmp_path, without=("mirror",))
    with pytest.raises(RecordError, match="control rows missing: mirror"):
        to_freeze(collect(tmp_path)[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("schema_version = ", "not valid TOML"),
        ("schema_version = 2\ntask = 't'\nversion = 1\n[scores]\n", "schema_version"),
        ("schema_version = 1\ntask = 'u'\nversion = 1\n[scores]\n", "is of task u"),
    ],
)
def test_a_file_that_is_not_right_is_named(tmp_path, text, message):
    frozen_path("t", 1, tmp_path).write_text(text)
    with pytest.raises(CardError, match=message) as error:
        read_frozen("t", 1, tmp_path)
    assert "t-v1.toml" in str(error.value)


def test_every_ranked_metric_states_its_resolution():
    for name in METRICS:
        metric = metric_class(name)
        if metric.scores[0].ranked:
            assert name in table(), name
    known = {score.id for name in METRICS for score in metric_class(name).scores} | set(METRICS)
    assert set(table()) <= known
    assert all(np.isfinite(value) and value > 0 for value in table().values())


def test_a_score_has_its_own_resolution_or_its_metrics():
    assert resolution("rmsd_angstrom_backbone", "rmsd_angstrom") == table()["rmsd_angstrom"]
    assert resolution("foreign", "foreign") == DEFAULT
