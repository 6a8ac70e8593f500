import pytest

from backmapbench.board import greying
from backmapbench.board.cards import known_card
from backmapbench.board.greying import find_greyed, missing_controls, null_row
from backmapbench.board.rows import collect
from backmapbench.records import MetricEntry


def causes(folder):
    (board,) = collect(folder)
    return {score: [grey.cause for grey in found] for score, found in find_greyed(board).items()}


def test_each_rule_greys_its_column_and_no_other(tmp_path, kit):
    kit.write_controls(tmp_path)
    assert causes(tmp_path) == {"clash_percent": ["uninformative"], "fes_rmse_kt": ["fixed by the input"]}


@pytest.mark.parametrize(("bead_centre", "greyed"), [(0.5e-6, True), (2e-6, False)])
def test_fixed_by_the_input_is_judged_on_the_scale_of_the_controls(tmp_path, kit, bead_centre, greyed):
    kit.write_controls(tmp_path, fes_rmse_kt=(0.0, 0.3, 0.02, bead_centre, 0.0, 1.0, 0.02, 0.5, 0.9))
    assert ("fes_rmse_kt" in causes(tmp_path)) == greyed


@pytest.mark.parametrize(("null", "greyed"), [(0.2, True), (0.5, False), (0.05, False)])
def test_underpowered_where_the_null_lies_inside_independent_md(tmp_path, kit, null, greyed):
    kit.write_controls(tmp_path, energy_w1_kt=(0.0, 0.2, 0.5, 1e4, 0.0, 0.0, 12.0, 50.0, null))
    found = causes(tmp_path)
    assert found.get("energy_w1_kt") == (["underpowered"] if greyed else None)


def test_the_null_depends_on_the_metric(tmp_path, kit):
    shuffled_like_fresh = (0.0, 0.001, 0.02, 0.01, 0.001, 0.001, 0.002, 0.01, 0.03)
    kit.write_controls(tmp_path, velocity_w1=shuffled_like_fresh)
    assert causes(tmp_path)["velocity_w1"] == ["underpowered"]
    (board,) = collect(tmp_path)
    assert null_row(board, "rmsd_angstrom") == "bead-centre"
    assert null_row(board, "energy_w1_kt") == "jitter-0.3"


def test_the_card_may_name_another_null(tmp_path, kit, monkeypatch):
    kit.write_controls(tmp_path)
    (board,) = collect(tmp_path)
    card = known_card(board)
    metrics = card.metrics | {"energy_w1_kt": {"null": "mirror"}}
    monkeypatch.setattr(greying, "known_card", lambda board: card.model_copy(update={"metrics": metrics}))
    assert null_row(board, "energy_w1_kt") == "mirror"
    assert null_row(board, "rmsd_angstrom") == "bead-centre"


def test_a_control_that_a_score_does_not_apply_to_says_nothing_of_the_column(tmp_path, kit):
    """Controls of one sample have no calibration; the others still show that a column is uninformative."""
    kit.write_controls(tmp_path, without=("mirror",))
    status = {"clash_percent": MetricEntry(version=1, status="not applicable", reason="one sample")}
    values = {metric: row[5] for metric, row in kit.VALUES.items()}
    record = kit.write_row(tmp_path, "mirror", values)
    kit.write_row(tmp_path, "mirror", values, metrics=record.metrics | status)
    assert causes(tmp_path)["clash_percent"] == ["uninformative"]


def test_a_score_of_poor_controls_alone_is_not_uninformative(tmp_path, kit):
    """Where nothing true has a value, as calibration without conditional MD, the poor ones being equal says nothing."""
    true = [name for name in kit.CONTROLS if name in greying.TRUE]
    kit.write_controls(tmp_path, without=true)
    entry = {"clash_percent": MetricEntry(version=1, status="not applicable", reason="one sample")}
    for name in true:
        values = {metric: row[0] for metric, row in kit.VALUES.items()}
        record = kit.write_row(tmp_path, name, values)
        kit.write_row(tmp_path, name, values, metrics=record.metrics | entry)
    assert "clash_percent" not in causes(tmp_path)


def test_bead_consistency_is_never_greyed(tmp_path, kit):
    kit.write_controls(tmp_path, cg_consistency_angstrom=(0.0,) * 9)
    assert "cg_consistency_angstrom" not in causes(tmp_path)


def test_a_failed_control_does_not_make_a_column_uninformative(tmp_path, kit):
    kit.write_controls(tmp_path, without=("bead-centre",))
    kit.write_row(tmp_path, "bead-centre", {}, failed={"clash_percent": "no side chains"})
    assert "uninformative" not in causes(tmp_path).get("clash_percent", [])


def test_nothing_is_greyed_without_controls(tmp_path, kit):
    kit.write_row(tmp_path, "m", kit.GOOD, kind="model")
    (board,) = collect(tmp_path)
    assert find_greyed(board) == {}
    assert missing_controls(board) == [name for name in kit.CONTROLS if name != "lookup"]


def test_a_rule_needs_only_its_own_controls(tmp_path, kit):
    kit.write_controls(tmp_path, without=("mirror",))
    found = causes(tmp_path)
    assert found["fes_rmse_kt"] == ["fixed by the input"]
    assert "uninformative" not in found.get("clash_percent", [])


def test_reasons_are_sentences_with_the_numbers(tmp_path, kit):
    kit.write_controls(tmp_path, energy_w1_kt=(0.0, 0.2, 0.5, 1e4, 0.0, 0.0, 12.0, 50.0, 0.2))
    (board,) = collect(tmp_path)
    found = find_greyed(board)
    assert "'jitter-0.3' (0.2) lies inside" in found["energy_w1_kt"][0].sentence
    assert "every control row scores 0" in found["clash_percent"][0].sentence
    assert all(grey.sentence.endswith(".") for grey in [each for causes in found.values() for each in causes])
