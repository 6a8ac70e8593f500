"""Metrics of spread at few frames: windows, the conditional-MD row, and what models are asked for."""

import numpy as np
import pytest

from backmapbench.controls import CONTROLS
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.planning import Row, Settings
from backmapbench.runner import run_rows
from backmapbench.sampling import SampledFrames, with_spread
from backmapbench.submissions import ModelInfo
from backmapbench.tasks import Task

LENGTH, NUMBER = 60, 5
SPREAD = ("energy_score_angstrom", "calibration", "diversity_angstrom")


@pytest.fixture(scope="module")
def small(task):
    """The task on the first frames of some test trajectories, with the metrics of spread at 20 frames."""

    class Small(Task):
        def atoms(self, split):
            if (self.temporal, split) not in read:
                read[self.temporal, split] = Task.atoms(self, split)
            data = read[self.temporal, split]
            kept = np.concatenate([data.positions[part][:LENGTH] for part in data.slices[:NUMBER]])
            return Trajectories(kept, (LENGTH,) * min(NUMBER, len(data.lengths)), data.frame_ps)

    read = {}
    names = ("rmsd_angstrom", "cg_consistency_angstrom", "bond_length_w1_angstrom", "velocity_w1")
    update = {
        "metrics": {name: {} for name in (*names, *SPREAD)},
        "kinetics": None,
        "uncertainty": task.card.uncertainty.model_copy(update={"replicates": 20}),
        "sampling": task.card.sampling.model_copy(update={"frames": 20, "context": 4}),
    }
    bare = type(task.dataset)(task.dataset.card.model_copy(update={"conditional": {}}), task.dataset.folder)
    return Small(task.card.model_copy(update=update), bare, task.folder)


def exchangeable(small, frames, samples, scale=0.01):
    """(samples, frames, atoms, 3): the reference with hidden atoms scattered."""
    reference = small.atoms("test").positions[frames]
    free = np.setdiff1d(np.arange(reference.shape[1]), small.mapping.slice_atoms)
    found = np.repeat(reference[None], samples, axis=0)
    found[:, :, free] += np.random.default_rng(1).normal(scale=scale, size=(samples, len(frames), len(free), 3))
    return found.astype(np.float32)


def test_windows_hold_the_wanted_frames_with_their_neighbours_and_cross_no_boundary(small):
    sampled = SampledFrames(small, 100)
    beads, windows = small.beads("test"), sampled.windows
    assert len(sampled.frames) == 20
    np.testing.assert_array_equal(windows.beads.positions[windows.wanted], beads.positions[sampled.frames])
    assert windows.beads.frame_ps == beads.frame_ps
    assert not np.shares_memory(windows.beads.positions, beads.positions)
    for frame, wanted, part in zip(sampled.frames, windows.wanted, windows.beads.slices, strict=True):
        before, after = wanted - part.start, part.stop - 1 - wanted
        place = frame % LENGTH
        assert (before, after) == (min(4, place), min(4, LENGTH - 1 - place))
        expected = beads.positions[frame - before : frame + after + 1]
        np.testing.assert_array_equal(windows.beads.positions[part], expected)


def test_windows_of_independent_frames_are_single(small):
    card = small.card.model_copy(update={"protocol": "independent"})
    windows = SampledFrames(type(small)(card, small.dataset, small.folder), 100).windows
    assert windows.beads.lengths == (1,) * 20
    assert windows.beads.frame_ps is None


def test_a_row_of_sampled_frames_has_paired_metrics_and_says_why_it_has_no_others(small):
    sampled = SampledFrames(small, 100)
    found = sampled.conditional(exchangeable(small, sampled.frames, 8))
    status = {name: entry.status for name, entry in found.metrics.items()}
    assert status == dict.fromkeys(small.card.metrics, "ok") | dict.fromkeys(
        ("bond_length_w1_angstrom", "velocity_w1"), "not applicable"
    )
    assert "scattered frames" in found.metrics["velocity_w1"].reason
    assert found.scores["cg_consistency_angstrom"].value < 1e-5
    assert found.scores["calibration_log_ratio"].value == pytest.approx(np.log(np.sqrt(2)), abs=0.02)


def test_spread_is_put_into_an_evaluation_of_all_frames(small):
    sampled = SampledFrames(small, 100)
    drawn = exchangeable(small, sampled.frames, 8)
    whole, spread = sampled.conditional(drawn), sampled.spread(drawn)
    assert set(spread.metrics) == set(SPREAD)
    joined = with_spread(whole, spread)
    assert set(joined.metrics) == set(small.card.metrics)
    assert joined.scores["calibration"] == spread.scores["calibration"]
    assert joined.blocks == whole.blocks


class Asked:
    """A model that scatters hidden atoms about made-up places and remembers what it was asked for."""

    def __init__(self, scale):
        self.info = ModelInfo("asked", "test")
        self.calls, self.scale = [], scale

    def backmap(self, system, beads, samples, seed):
        self.calls.append((beads.lengths, samples))
        count = system.topology.n_atoms
        weights = np.asarray(system.mapping.weights.toarray())
        spread = np.linalg.pinv(weights) + 0.1 / len(weights)
        xyz = np.einsum("ab,fbx->fax", spread, beads.positions) * 1.2
        rng = np.random.default_rng(seed)
        return (xyz + rng.normal(scale=self.scale, size=(samples, len(beads), count, 3))).astype(np.float32)


def run(small, tmp_path, model, **settings):
    info = model.info if model else CONTROLS["oracle"].info
    row = Row(small.card.name, info.name, info, "model" if model else "control", "test", 0, model)
    (record,) = run_rows(small, [row], Settings(tmp_path, **settings))
    return record


def test_models_are_asked_for_samples_at_few_frames_and_scored_on_them(small, tmp_path):
    model = Asked(0.05)
    record = run(small, tmp_path, model)
    assert model.calls == [((LENGTH,) * NUMBER, 1), (SampledFrames(small, 100).windows.beads.lengths, 8)]
    assert {record.metrics[name].status for name in SPREAD} == {"ok"}
    assert record.metrics["velocity_w1"].status == "ok"
    # Two samples of sd 0.5 Angstrom per coordinate are sqrt(2 * 3) * 0.5 apart.
    assert record.scores["diversity_angstrom"].value == pytest.approx(np.sqrt(6) * 0.5, rel=0.05)
    assert (record.samples, record.frames) == (1, LENGTH * NUMBER)


def test_a_deterministic_map_is_at_the_cap_and_the_oracle_has_no_value(small, tmp_path):
    record = run(small, tmp_path / "model", Asked(0.0))
    assert record.scores["calibration"].value == 5
    assert record.scores["diversity_angstrom"].value == 0
    oracle = run(small, tmp_path / "oracle", None)
    assert {oracle.metrics[name].status for name in SPREAD} == {"not applicable"}


def test_a_task_without_metrics_of_spread_asks_once(small, tmp_path):
    metrics = {"rmsd_angstrom": {}}
    plain = type(small)(small.card.model_copy(update={"metrics": metrics}), small.dataset, small.folder)
    model = Asked(0.05)
    run(plain, tmp_path, model)
    assert len(model.calls) == 1
