import numpy as np
import pytest

from backmapbench.board.page import Section, render_page
from backmapbench.board.rows import collect
from backmapbench.board.standings import judge
from backmapbench.board.table import render
from backmapbench.board.words import not_applicable
from backmapbench.errors import RecordError, UnknownNameError
from backmapbench.intervals import interval
from backmapbench.records import MetricEntry, read_statistics, write_record


def test_models_come_first_and_controls_in_their_order(folder, kit):
    (board,) = collect(folder)
    assert [row.name for row in board.rows] == ["broken", "good", *kit.CONTROLS]


def test_a_single_seed_keeps_the_interval_of_its_record(tmp_path, kit):
    record = kit.write_row(tmp_path, "one", kit.GOOD, kind="model")
    cell = collect(tmp_path)[0].cell("one", "energy_w1_kt")
    entry = record.scores["energy_w1_kt"]
    assert (cell.value, cell.low, cell.high) == (entry.value, entry.low, entry.high)


def test_seeds_are_averaged_and_widen_the_interval(tmp_path, kit):
    for seed, energy in enumerate((2.0, 3.0, 4.0)):
        kit.write_row(tmp_path, "three", {"energy_w1_kt": energy}, kind="model", seed=seed, spread=0.0)
    kit.write_row(tmp_path, "one", {"energy_w1_kt": 3.0}, kind="model", spread=0.0)
    (board,) = collect(tmp_path)
    three, one = board.cell("three", "energy_w1_kt"), board.cell("one", "energy_w1_kt")
    assert three.value == pytest.approx(3.0)
    assert three.high - three.low > 1.5 * (one.high - one.low)
    assert (three.low, three.high) == interval(three.value, three.replicates, 0.95, distance=True, blocks=24)
    assert board.row("three").seeds == (0, 1, 2)


def test_replicates_of_seeds_average_values_of_the_same_draw(tmp_path, kit):
    """Without a difference between seeds, drawing them changes nothing: replicates stay paired with other rows."""
    for name, seeds in (("two", (0, 0)), ("one", (0,))):
        for number, _ in enumerate(seeds):
            kit.write_row(tmp_path, name, {"energy_w1_kt": 3.0}, kind="model", seed=number, spread=0.0)
    (board,) = collect(tmp_path)
    left, right = (board.cell(name, "energy_w1_kt").replicates for name in ("two", "one"))
    assert np.allclose(left, right)


def test_seeds_spread_as_far_as_their_standard_error_says(tmp_path, kit):
    """Two seeds 1 apart, no other noise: the mean has a standard error of 1 / 2, not 1 / sqrt(8) as of plain picks."""
    for seed, rmsd in enumerate((10.0, 11.0)):
        record = kit.write_row(tmp_path, "two", {"rmsd_angstrom": rmsd}, kind="model", seed=seed)
        statistics, _ = read_statistics(tmp_path / kit.TASK / "two" / f"seed-{seed}.json")
        write_record(
            tmp_path / kit.TASK / "two" / f"seed-{seed}.json",
            record,
            statistics,
            {"rmsd_angstrom": np.full(4000, rmsd)},
        )
    (board,) = collect(tmp_path)
    assert board.cell("two", "rmsd_angstrom").replicates.std() == pytest.approx(0.5, rel=0.1)


def test_one_failed_seed_fails_the_row_and_is_named(tmp_path, kit):
    kit.write_row(tmp_path, "m", {"energy_w1_kt": 3.0}, kind="model", seed=0)
    kit.write_row(tmp_path, "m", {}, kind="model", seed=4, failed={"energy_w1_kt": "boom"})
    cell = collect(tmp_path)[0].cell("m", "energy_w1_kt")
    assert (cell.status, cell.reason) == ("failed", "seed 4: boom")
    assert np.isnan(cell.value)


def test_undefined_and_unscored_are_not_numbers(folder, kit):
    (board,) = collect(folder)
    assert board.cell("broken", "rmsd_angstrom").status == "undefined"
    assert board.cell("fresh-md", "rmsd_angstrom").status == "no pair"
    assert board.cell("nobody", "rmsd_angstrom").status == "not scored"


def test_a_metric_that_failed_everywhere_is_still_a_column(tmp_path, kit):
    kit.write_row(tmp_path, "m", {"rmsd_angstrom": 1.0}, kind="model", failed={"energy_w1_kt": "no force field"})
    (board,) = collect(tmp_path)
    assert [score.id for score in board.main_scores] == ["rmsd_angstrom", "energy_w1_kt"]


def test_a_metric_that_applies_to_no_row_is_no_column_but_said(tmp_path, kit):
    record = kit.write_row(tmp_path, "m", {"rmsd_angstrom": 1.0}, kind="model")
    status = MetricEntry(version=1, status="not applicable", reason="needs aromatic rings")
    metrics = record.metrics | {"ring_planarity_angstrom": status, "diversity_angstrom": status}
    kit.write_row(tmp_path, "m", {"rmsd_angstrom": 1.0}, kind="model", metrics=metrics)
    (board,) = collect(tmp_path)
    assert [score.id for score in board.main_scores] == ["rmsd_angstrom"]
    ranked = {score.id: score.ranked for score in board.scores}
    assert ranked == {"rmsd_angstrom": True, "ring_planarity_angstrom": True, "diversity_angstrom": False}
    expected = "ring_planarity_angstrom does not apply here: needs aromatic rings."
    standings = judge(board)
    assert expected in not_applicable(standings)
    assert expected in render([standings], "markdown")
    assert expected in render_page([Section(standings, ())])


def test_a_row_with_fewer_metrics_is_marked_not_scored(tmp_path, kit):
    kit.write_row(tmp_path, "all", kit.GOOD, kind="model")
    kit.write_row(tmp_path, "few", {"rmsd_angstrom": 1.0}, kind="model")
    assert collect(tmp_path)[0].cell("few", "energy_w1_kt").status == "not scored"


def test_a_folder_without_records_is_refused(tmp_path):
    with pytest.raises(RecordError, match="no records"):
        collect(tmp_path)


def test_an_unknown_task_is_refused(folder):
    with pytest.raises(UnknownNameError, match="adp-mini-temporal"):
        collect(folder, "adp-mini-tempral")


def test_a_variant_that_the_true_atoms_lack_is_not_applicable(tmp_path, kit):
    """As peptide bonds to proline without a proline; a main score that the oracle lacks is a failure and stays one."""
    for name, kind in (("oracle", "control"), ("m", "model")):
        record = kit.write_row(tmp_path, name, {"rmsd_angstrom": 1.0, "energy_w1_kt": None}, kind=kind)
        variant = record.scores["rmsd_angstrom"].model_copy(update={"value": None, "low": None, "high": None})
        scores = record.scores | {"rmsd_angstrom_sidechain": variant}
        kit.write_row(tmp_path, name, {"rmsd_angstrom": 1.0, "energy_w1_kt": None}, kind=kind, scores=scores)
    (board,) = collect(tmp_path)
    for name in ("oracle", "m"):
        assert board.cell(name, "rmsd_angstrom_sidechain").status == "not applicable"
        assert board.cell(name, "energy_w1_kt").status == "undefined"


def test_versions_do_not_mix(tmp_path, kit):
    kit.write_row(tmp_path, "new", kit.GOOD, kind="model")
    kit.write_row(tmp_path, "old", kit.GOOD, kind="model", task_version=kit.VERSION + 1)
    with pytest.raises(RecordError, match=rf"task versions \[{kit.VERSION}, {kit.VERSION + 1}\]"):
        collect(tmp_path)


def test_metric_versions_do_not_mix(tmp_path, kit):
    record = kit.write_row(tmp_path, "new", kit.GOOD, kind="model")
    newer = {name: entry.model_copy(update={"version": 2}) for name, entry in record.metrics.items()}
    kit.write_row(tmp_path, "old", kit.GOOD, kind="model", metrics=newer)
    with pytest.raises(RecordError, match="has versions"):
        collect(tmp_path)


def test_altered_statistics_are_refused(tmp_path, kit):
    kit.write_row(tmp_path, "m", kit.GOOD, kind="model")
    (statistics,) = tmp_path.glob("*/m/seed-0.npz")
    statistics.write_bytes(statistics.read_bytes() + b"x")
    with pytest.raises(RecordError, match="altered"):
        collect(tmp_path)
