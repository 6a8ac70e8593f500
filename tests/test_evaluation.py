"""Scoring does not depend on how frames are cut, and rows are resumed only when nothing changed."""

import json

import numpy as np
import pytest

from backmapbench.bootstrap import Stacked, draw_weights
from backmapbench.controls import CONTROLS
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import RecordError, SubmissionError, UnknownNameError
from backmapbench.evaluation import Evaluator
from backmapbench.records import read_record, read_statistics, record_path
from backmapbench.runner import Settings, plan, prepare_folder, run_rows
from backmapbench.tasks import Task


@pytest.fixture(scope="module")
def small(task):
    """The task on the first 150 frames of every test trajectory, with few replicates."""

    class Small(Task):
        def atoms(self, split):
            data = super().atoms(split)
            if split not in {"test", "fresh"}:
                return data
            kept = np.concatenate([data.positions[part][:150] for part in data.slices])
            return Trajectories(kept, (150,) * len(data.lengths), data.frame_ps)

    uncertainty = task.card.uncertainty.model_copy(update={"replicates": 20})
    metrics = dict(task.card.metrics)
    metrics["hidden_torsion_timescale_log_error"] = {"maximum_lag_frames": 60}
    card = task.card.model_copy(update={"uncertainty": uncertainty, "metrics": metrics})
    return Small(card, task.dataset)


def scores(evaluation):
    return {name: (s.value, s.low, s.high) for name, s in evaluation.scores.items()}


@pytest.mark.parametrize("chunk_frames", [1, 7, 1000])
def test_chunks_change_nothing(small, chunk_frames):
    prediction = CONTROLS["jitter-0.1"].make(small, 0)
    whole = scores(Evaluator(small, chunk_frames=2000).evaluate(prediction))
    cut = scores(Evaluator(small, chunk_frames=chunk_frames).evaluate(prediction))
    assert whole.keys() == cut.keys()
    for name, expected in whole.items():
        assert cut[name] == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True), name


def test_oracle_is_zero_in_every_ranked_error_and_interval(small):
    found = Evaluator(small).evaluate(CONTROLS["oracle"].make(small, 0))
    assert {entry.status for entry in found.metrics.values()} == {"ok"}
    for name, score in found.scores.items():
        if score.ranked:
            assert (score.value, score.low, score.high) == (0, 0, 0), name


def test_rows_without_a_pair_say_so(small):
    control = CONTROLS["fresh-md"]
    found = Evaluator(small).evaluate(control.make(small, 0), paired=False, boundaries=small.atoms("fresh"))
    assert found.metrics["rmsd_angstrom"].status == "no pair"
    assert "rmsd_angstrom" not in found.scores
    assert found.scores["energy_w1_kt"].value > 0


def test_a_metric_that_cannot_be_computed_is_a_failure_with_its_reason(small, monkeypatch):
    evaluator = Evaluator(small, ["ged", "rmsd_angstrom"])
    broken = next(metric for metric in evaluator.metrics if metric.id == "ged")
    monkeypatch.setattr(type(broken), "value", lambda self, statistics: 1 / 0)
    found = evaluator.evaluate(CONTROLS["oracle"].make(small, 0))
    assert found.metrics["ged"].status == "failed"
    assert "ZeroDivisionError" in found.metrics["ged"].reason
    assert found.metrics["rmsd_angstrom"].status == "ok"


def test_records_keep_block_statistics_that_give_the_scores_again(small, tmp_path):
    rows = plan(small, ["jitter-0.05"], [0])
    (record,) = run_rows(small, rows, Settings(tmp_path))
    statistics, replicates = read_statistics(record_path(tmp_path, small.card.name, "jitter-0.05", 0))
    for metric in small.metrics():
        stacked = Stacked(statistics[metric.id])
        ones = np.ones(record.blocks)
        again = metric.value(stacked.merge(ones, ones))
        for name, value in again.items():
            assert record.scores[name].value == pytest.approx(value, rel=1e-12, nan_ok=True)
            assert replicates[name].shape == (20,)


def test_weights_pair_rows_with_the_reference():
    paired, free = draw_weights(8, 50, 0, paired=True), draw_weights(8, 50, 0, paired=False)
    np.testing.assert_array_equal(paired.reference, paired.prediction)
    np.testing.assert_array_equal(paired.reference, free.reference)
    assert (free.reference != free.prediction).any()
    assert (free.prediction.sum(axis=1) == 8).all()


def test_resuming_keeps_what_fits_and_reruns_what_does_not(small, tmp_path):
    settings = Settings(tmp_path, resume=True)
    stages = []
    run_rows(small, plan(small, ["oracle", "bead-centre"], [0]), settings)
    again = run_rows(
        small, plan(small, ["oracle", "bead-centre"], [0]), settings, lambda row, stage: stages.append(stage)
    )
    assert stages == ["resumed", "resumed"]
    assert [record.model.name for record in again] == ["oracle", "bead-centre"]
    changed = Task.__new__(type(small))
    card = small.card.model_copy(update={"version": 2})
    object.__setattr__(changed, "card", card)
    object.__setattr__(changed, "dataset", small.dataset)
    stages.clear()
    run_rows(changed, plan(changed, ["oracle"], [0]), settings, lambda row, stage: stages.append(stage))
    assert "resumed" not in stages


def test_records_of_another_schema_or_altered_are_refused(small, tmp_path):
    settings = Settings(tmp_path, resume=True)
    run_rows(small, plan(small, ["oracle"], [0]), settings)
    path = record_path(tmp_path, small.card.name, "oracle", 0)
    original = path.read_text()
    for change, message in (
        ({"schema_version": 0}, "schema version 0"),
        ({"seed": "zero"}, "seed"),
        ({"extra": 1}, "extra"),
    ):
        path.write_text(json.dumps(json.loads(original) | change))
        with pytest.raises(RecordError, match=message):
            read_record(path)
    path.write_text(original)
    path.with_suffix(".npz").write_bytes(b"x")
    with pytest.raises(RecordError, match="altered"):
        read_record(path)


def test_folders_that_cannot_take_records(small, tmp_path):
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(RecordError, match="is a file"):
        prepare_folder(Settings(file))
    run_rows(small, plan(small, ["oracle"], [0]), Settings(tmp_path / "out"))
    with pytest.raises(RecordError, match="--resume"):
        prepare_folder(Settings(tmp_path / "out"))
    prepare_folder(Settings(tmp_path / "out", resume=True))


def test_plans_refuse_unknown_names_and_stolen_ones(small, tmp_path):
    with pytest.raises(UnknownNameError, match="did you mean"):
        plan(small, ["bead-center"], [0])
    thief = tmp_path / "thief.py"
    thief.write_text(
        "from backmapbench.submissions import ModelInfo\n"
        "class Thief:\n    info = ModelInfo('oracle', 'x')\n    def backmap(self, system, beads, samples, seed): ...\n"
    )
    with pytest.raises(SubmissionError, match="taken"):
        plan(small, [f"{thief}:Thief"], [0])


def test_deterministic_rows_run_once_and_others_per_seed(small):
    assert len(plan(small, ["oracle", "bead-centre"], [0, 1, 2])) == 2
