"""Scoring does not depend on how frames are cut, and rows are resumed only when nothing changed."""

import json
import math

import numpy as np
import pytest

from backmapbench import evaluation
from backmapbench.blocks import BlockPlan
from backmapbench.bootstrap import Stacked, draw_weights
from backmapbench.controls import CONTROLS
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import RecordError, SubmissionError, UnknownNameError
from backmapbench.evaluation import Evaluator
from backmapbench.metrics import Frames
from backmapbench.planning import Settings, plan, prepare_folder
from backmapbench.records import read_record, read_statistics, record_path
from backmapbench.runner import run_rows
from backmapbench.tasks import Task

UNDEFINED_HERE = {"cis_omega_percent_proline"}
"""Variants that alanine dipeptide has nothing to measure of."""


def shortened(task, test, fresh):
    """The task on the first frames of trajectories, (frames, trajectories) of each split, with few replicates."""

    class Short(Task):
        def atoms(self, split):
            data = super().atoms(split)
            if split not in {"test", "fresh"}:
                return data
            frames, number = test if split == "test" else fresh
            kept = np.concatenate([data.positions[part][:frames] for part in data.slices[:number]])
            return Trajectories(kept, (frames,) * number, data.frame_ps)

    uncertainty = task.card.uncertainty.model_copy(update={"replicates": 20})
    metrics = dict(task.card.metrics)
    metrics["hidden_torsion_timescale_log_error"] = {"maximum_lag_frames": 60}
    card = task.card.model_copy(update={"uncertainty": uncertainty, "metrics": metrics})
    return Short(card, task.dataset, task.folder)


@pytest.fixture(scope="module")
def small(task):
    """Twenty short trajectories; fresh MD is cut otherwise."""
    return shortened(task, (100, 20), (130, 13))


@pytest.fixture(scope="module")
def tiny(task):
    """So few frames that each may be a chunk of its own."""
    return shortened(task, (70, 3), (70, 3))


@pytest.fixture(scope="module")
def plain(small):
    """The same with two metrics, for what does not depend on which."""
    metrics = {name: small.card.metrics[name] for name in ("rmsd_angstrom", "bond_length_w1_angstrom")}
    return type(small)(small.card.model_copy(update={"metrics": metrics}), small.dataset, small.folder)


def scores(evaluation):
    """(value, low, high) by score id, NaN where undefined."""
    bounds = {name: (s.value, s.low, s.high) for name, s in evaluation.scores.items()}
    return {name: tuple(math.nan if x is None else x for x in found) for name, found in bounds.items()}


@pytest.fixture
def blocks_of(monkeypatch):
    """Pretend that the reference forgets in a given number of frames."""
    return lambda frames: monkeypatch.setattr(evaluation, "task_block_frames", lambda task, reference: frames)


@pytest.fixture(scope="module")
def whole(tiny):
    """Scores of a jittered row in whole trajectories, and cut into blocks of 20 frames, each in chunks of 2000."""
    prediction = CONTROLS["jitter-0.1"].make(tiny, 0)
    found = {}
    for frames in (math.inf, 20.0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(evaluation, "task_block_frames", lambda task, reference, frames=frames: frames)
            found[frames] = scores(Evaluator(tiny, chunk_frames=2000).evaluate(prediction))
    return found


@pytest.mark.parametrize(("chunk_frames", "block_frames"), [(1, math.inf), (7, 20.0), (1000, math.inf)])
def test_chunks_change_nothing(tiny, whole, blocks_of, chunk_frames, block_frames):
    blocks_of(block_frames)
    whole = whole[block_frames]
    prediction = CONTROLS["jitter-0.1"].make(tiny, 0)
    cut = scores(Evaluator(tiny, chunk_frames=chunk_frames).evaluate(prediction))
    assert whole.keys() == cut.keys()
    for name, expected in whole.items():
        assert cut[name] == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True), name


def test_cutting_trajectories_into_blocks_changes_intervals_alone(whole):
    for name, (value, _, _) in whole[math.inf].items():
        assert whole[20.0][name][0] == pytest.approx(value, rel=1e-9, abs=1e-12, nan_ok=True), name
    assert any(whole[20.0][name][1:] != bounds[1:] for name, bounds in whole[math.inf].items())


@pytest.mark.parametrize("block_frames", [math.inf, 50.0])
def test_oracle_is_zero_in_every_ranked_error_and_interval(small, blocks_of, block_frames):
    blocks_of(block_frames)
    found = Evaluator(small).evaluate(CONTROLS["oracle"].make(small, 0))
    assert {entry.status for entry in found.metrics.values()} <= {"ok", "not applicable"}
    ranked = {name: score for name, score in found.scores.items() if score.ranked}
    assert {name for name, score in ranked.items() if score.value is None} <= UNDEFINED_HERE
    for name in ranked.keys() - UNDEFINED_HERE:
        assert (ranked[name].value, ranked[name].low, ranked[name].high) == (0, 0, 0), name


@pytest.mark.parametrize("block_frames", [math.inf, 50.0])
def test_rows_without_a_pair_say_so_and_are_cut_by_trajectories_of_their_own(small, blocks_of, block_frames):
    blocks_of(block_frames)
    control = CONTROLS["fresh-md"]
    names = ["rmsd_angstrom", "energy_w1_kt", "hidden_torsion_timescale_log_error", "timescale_log_error"]
    evaluator = Evaluator(small, names)
    fresh = small.atoms("fresh")
    found = evaluator.evaluate(control.make(small, 0), paired=False, boundaries=fresh)
    assert found.metrics["rmsd_angstrom"].status == "no pair"
    assert "rmsd_angstrom" not in found.scores
    stacked = found.statistics["energy_w1_kt"].parts
    assert stacked["reference"]["counts"].shape[0] == len(evaluator.plan.pieces)
    plan = BlockPlan.of(fresh.lengths, block_frames)
    assert stacked["prediction"]["counts"].shape[0] == len(plan.pieces) != len(evaluator.plan.pieces)
    assert found.blocks == min(plan.blocks, evaluator.plan.blocks)
    for metric in evaluator.metrics[1:]:
        sides = [Frames(small.atoms(split).positions[None]) for split in ("test", "fresh")]
        if metric.lead == 0:
            value = metric.value(metric.statistics(*sides))[metric.id]
            assert found.scores[metric.id].value == pytest.approx(value, rel=1e-9)
        assert found.scores[metric.id].low <= found.scores[metric.id].value <= found.scores[metric.id].high


def test_what_is_known_of_the_reference_serves_every_row(small):
    """An unpaired row scored first, last or alone has the same scores."""
    names = ["energy_w1_kt", "velocity_w1"]
    fresh, paired = CONTROLS["fresh-md"].make(small, 0), CONTROLS["jitter-0.1"].make(small, 0)
    first, last = Evaluator(small, names), Evaluator(small, names)
    boundaries = small.atoms("fresh")
    alone = scores(first.evaluate(fresh, paired=False, boundaries=boundaries))
    expected = scores(last.evaluate(paired))
    assert scores(last.evaluate(fresh, paired=False, boundaries=boundaries)) == alone
    assert scores(first.evaluate(paired)) == expected


def test_too_few_samples_are_not_applicable_and_said_before_anything_is_computed(small, monkeypatch):
    evaluator = Evaluator(small, ["ged", "rmsd_angstrom"])
    demanding = next(metric for metric in evaluator.metrics if metric.id == "rmsd_angstrom")
    monkeypatch.setattr(type(demanding), "minimum_samples", 8)
    monkeypatch.setattr(type(demanding), "statistics", lambda *_: 1 / 0)
    found = evaluator.evaluate(CONTROLS["oracle"].make(small, 0))
    assert found.metrics["rmsd_angstrom"].status == "not applicable"
    assert found.metrics["rmsd_angstrom"].reason == "needs at least 8 samples of every frame, the row has 1"
    assert found.metrics["ged"].status == "ok"
    assert "rmsd_angstrom" not in found.scores


def test_single_frames_are_scored_without_what_needs_time(small):
    """As conditional MD is: some scored frames, each drawn again."""
    frames = np.arange(10, len(small.atoms("test")), 40)
    evaluator = Evaluator(small, ["rmsd_angstrom", "velocity_w1", "bond_length_w1_angstrom"], frames=frames)
    found = evaluator.evaluate(small.atoms("test").positions[frames][None])
    assert found.metrics["velocity_w1"].status == "not applicable"
    assert found.scores["rmsd_angstrom"].value == found.scores["bond_length_w1_angstrom"].value == 0
    assert len(evaluator.reference) == len(frames)
    assert 2 <= found.blocks <= Evaluator(small, ["ged"]).plan.blocks


def test_errors_between_ensembles_are_corrected_for_bias_and_paired_means_are_not(small):
    found = Evaluator(small, ["ged", "rmsd_angstrom", "chirality_percent", "energy_w1_kt"]).evaluate(
        CONTROLS["jitter-0.1"].make(small, 0)
    )
    marked = {name for name, score in found.scores.items() if score.distance}
    assert {"chirality_percent", "energy_w1_kt"} <= marked
    assert not marked & {"rmsd_angstrom", "ged", "energy_clipped_percent"}


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
    assert statistics.keys() == {name for name, entry in record.metrics.items() if entry.status == "ok"}
    for metric in (each for each in small.metrics() if each.id in statistics):
        stacked = Stacked(statistics[metric.id])
        pieces = next(value.shape[0] for part in stacked.parts.values() for value in part.values())
        again = metric.value(stacked.merge(np.ones(pieces), np.ones(pieces)))
        for name, value in again.items():
            stored = record.scores[name].value  # JSON has no NaN: None stands for an undefined value
            assert (math.nan if stored is None else stored) == pytest.approx(value, rel=1e-12, nan_ok=True)
            assert replicates[name].shape == (20,)


@pytest.mark.parametrize("frames", [math.inf, 10.0])
def test_weights_pair_rows_with_the_reference(frames):
    plan, other = BlockPlan.of((100,) * 8, frames), BlockPlan.of((70,) * 5, frames)
    paired, free = draw_weights(plan, None, 50, 0), draw_weights(plan, other, 50, 0)
    same = draw_weights(plan, plan, 50, 0)
    np.testing.assert_array_equal(paired.reference, paired.prediction)
    np.testing.assert_array_equal(paired.reference, free.reference)
    assert (same.reference != same.prediction).any()
    assert free.prediction.shape == (50, len(other.pieces))
    if frames == math.inf:
        assert (free.prediction.sum(axis=1) == 5).all()


def test_resuming_keeps_what_fits_and_reruns_what_does_not(plain, tmp_path):
    settings = Settings(tmp_path, resume=True)
    stages = []
    run_rows(plain, plan(plain, ["oracle", "bead-centre"], [0]), settings)
    again = run_rows(
        plain, plan(plain, ["oracle", "bead-centre"], [0]), settings, lambda row, stage: stages.append(stage)
    )
    assert stages == ["resumed", "resumed"]
    assert [record.model.name for record in again] == ["oracle", "bead-centre"]
    changed = Task.__new__(type(plain))
    card = plain.card.model_copy(update={"version": plain.card.version + 1})
    object.__setattr__(changed, "card", card)
    object.__setattr__(changed, "dataset", plain.dataset)
    object.__setattr__(changed, "folder", plain.folder)
    stages.clear()
    run_rows(changed, plan(changed, ["oracle"], [0]), settings, lambda row, stage: stages.append(stage))
    assert "resumed" not in stages


def test_records_of_another_schema_or_altered_are_refused(plain, tmp_path):
    settings = Settings(tmp_path, resume=True)
    run_rows(plain, plan(plain, ["oracle"], [0]), settings)
    path = record_path(tmp_path, plain.card.name, "oracle", 0)
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


def test_folders_that_cannot_take_records(plain, tmp_path):
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(RecordError, match="is a file"):
        prepare_folder(Settings(file))
    run_rows(plain, plan(plain, ["oracle"], [0]), Settings(tmp_path / "out"))
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
