"""Samples of conditional MD: packed beside the dataset, read back, and held against the task's beads."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from backmapbench.cli import app
from backmapbench.conditional import has_conditional, held_frames, load_conditional, pack, spread_frames
from backmapbench.datasets.catalogue import CARDS, Dataset, read_card
from backmapbench.datasets.simulation.drawing import Drawing
from backmapbench.errors import DataError
from backmapbench.tasks import Task

SAMPLES, COUNT = 8, 6
GRID_NM = 0.0002


def without(task):
    """The task as if its dataset carried no samples."""
    return with_card(task, task.dataset.card.model_copy(update={"conditional": {}}))


def with_card(task, card, folder=None):
    return Task(task.card, Dataset(card, folder or task.dataset.folder), task.folder)


def finished_run(task, folder):
    """A run folder as `hold-beads` leaves it, with hidden atoms scattered by 0.01 nm instead of simulated."""
    _, frames = held_frames(task, COUNT, folder)
    rng = np.random.default_rng(0)
    free = np.setdiff1d(np.arange(frames.starts.shape[1]), task.mapping.slice_atoms)
    for number, start in enumerate(frames.starts):
        positions = np.repeat(start[None], SAMPLES, axis=0)
        positions[:, free] += rng.normal(scale=0.01, size=(SAMPLES, len(free), 3))
        errors = np.linspace(0, 2e-5, SAMPLES)
        np.savez(folder / f"frame-{number:04d}.npz", positions=positions, bead_errors=errors, seconds=1.0)
    arrays = {"starts": frames.starts, "beads": frames.beads, "weights": frames.weights}
    np.savez(folder / "input.npz", **arrays, about=np.array(json.dumps(frames.about)))
    written = frames.about | {"drawing": Drawing(SAMPLES, 1.0).settings}
    written |= {"core_seconds": 6.0, "platform": "Reference", "versions": {"openmm": "8"}}
    (folder / "holding.json").write_text(json.dumps(written))
    return frames


@pytest.fixture(scope="module")
def packed(task, tmp_path_factory):
    """A copy of the dataset with samples packed into it: the task on it, its folder, and what was measured."""
    root = tmp_path_factory.mktemp("packed")
    run, home, cards = root / "run", root / "embedded" / "adp-mini", root / "cards"
    cards.mkdir()
    shutil.copytree(task.dataset.folder, home)
    shutil.copy(CARDS / "adp-mini.toml", cards)
    bare = without(task)
    frames = finished_run(bare, run)
    card, measured = pack(bare, run, root / "embedded", cards)
    return with_card(task, read_card(card), home), frames, measured, run


def test_packed_samples_are_read_back_with_the_tasks_beads(packed):
    task, frames, measured, run = packed
    assert has_conditional(task)
    found = load_conditional(task)
    np.testing.assert_array_equal(found.frames, spread_frames(40000, COUNT))
    assert found.positions.shape == (SAMPLES, COUNT, 22, 3)
    beads = task.beads("test").positions[found.frames]
    np.testing.assert_allclose(
        found.positions[:, :, task.mapping.slice_atoms], np.tile(beads, (8, 1, 1, 1)), atol=GRID_NM
    )
    with np.load(run / "frame-0002.npz") as saved:
        expected = saved["positions"] - frames.beads[2].mean(axis=0)
    np.testing.assert_allclose(found.positions[:, 2], expected, atol=GRID_NM)
    assert measured["largest_bead_error_nm"] == 0.00002
    assert abs(measured["neighbour_correlation_positions"]) < 0.3
    entry = task.dataset.card.conditional[task.card.name]
    assert entry.measured == measured
    assert entry.provenance["drawing"]["settle_ps"] == 1.0


def test_samples_are_files_of_the_dataset(packed):
    task = packed[0]
    entry = task.dataset.card.conditional[task.card.name]
    assert entry.sha256 in task.dataset.hashes
    assert task.dataset.folder / entry.path in task.dataset.verify()


def test_altered_and_misplaced_samples_are_refused(packed, tmp_path):
    task = packed[0]
    card, name = task.dataset.card, task.card.name
    entry = card.conditional[name]
    other = [frame + 1 for frame in entry.frames]
    moved = card.model_copy(update={"conditional": {name: entry.model_copy(update={"frames": other})}})
    with pytest.raises(DataError, match="nm off the task's"):
        load_conditional(with_card(task, moved))
    split = card.model_copy(update={"conditional": {name: entry.model_copy(update={"split": "fresh"})}})
    with pytest.raises(DataError, match="made of split 'fresh'"):
        load_conditional(with_card(task, split))
    fewer = card.model_copy(update={"conditional": {name: entry.model_copy(update={"samples": 9})}})
    with pytest.raises(DataError, match="does not hold 9 samples"):
        load_conditional(with_card(task, fewer))
    damaged = bytearray((task.dataset.folder / entry.path).read_bytes())
    damaged[100] ^= 1
    home = tmp_path / "adp-mini"
    shutil.copytree(task.dataset.folder, home)
    (home / entry.path).write_bytes(damaged)
    with pytest.raises(DataError, match="SHA-256 differs"):
        load_conditional(with_card(task, card, home))


def test_a_task_without_samples_says_how_to_make_them(task):
    bare = without(task)
    assert not has_conditional(bare)
    with pytest.raises(DataError, match="hold-beads --task adp-mini-temporal"):
        load_conditional(bare)


def test_a_run_serves_tasks_with_the_same_beads_and_no_others(packed, tmp_path):
    task, _, measured, run = packed
    home = tmp_path / "adp-mini"
    home.mkdir()
    shutil.copy(CARDS / "adp-mini.toml", tmp_path)
    bare = without(task)
    twin = Task(task.card.model_copy(update={"name": "twin"}), bare.dataset, task.folder)
    card, again = pack(twin, run, tmp_path, tmp_path)
    assert again == measured
    assert set(read_card(card).conditional) >= {"twin"}
    fewer = task.card.mapping.model_copy(update={"atoms": task.card.mapping.atoms[:-1]})
    other = Task(task.card.model_copy(update={"name": "other", "mapping": fewer}), bare.dataset, task.folder)
    with pytest.raises(DataError, match="not those of 'other'"):
        pack(other, run, tmp_path, tmp_path)
    splits = task.card.splits.model_copy(update={"scored": "validation", "validation": "test"})
    moved = Task(task.card.model_copy(update={"splits": splits}), bare.dataset, task.folder)
    with pytest.raises(DataError, match="not those of"):
        pack(moved, run, tmp_path, tmp_path)


def test_more_frames_than_there_are_and_data_of_ones_own_are_refused(task, tmp_path):
    with pytest.raises(DataError, match="has 40000 scored frames, not 40001"):
        held_frames(task, 40001, tmp_path)
    with pytest.raises(DataError, match="not embedded"):
        held_frames(replace(task, dataset=object()), 2, tmp_path)


def test_as_many_frames_as_the_task_samples(task, tmp_path):
    sampling = task.card.sampling.model_copy(update={"frames": 3})
    few = Task(task.card.model_copy(update={"sampling": sampling}), task.dataset, task.folder)
    _, frames = held_frames(few, None, tmp_path)
    assert frames.about["frames"] == spread_frames(40000, 3).tolist()
    np.testing.assert_array_equal(frames.beads, frames.starts[:, task.mapping.slice_atoms])


@given(st.data())
def test_frames_are_spread_evenly(data):
    total = data.draw(st.integers(1, 5000))
    count = data.draw(st.integers(1, total))
    frames = spread_frames(total, count)
    assert len(frames) == count
    assert frames[0] >= 0
    assert frames[-1] < total
    gaps = np.diff(frames)
    assert (gaps >= total // count).all()
    assert (gaps <= -(-total // count)).all()
    assert abs(frames[0] - (total - 1 - frames[-1])) <= 1


def test_commands_are_there_and_wrong_input_is_refused():
    runner = CliRunner()
    for command in ("hold-beads", "pack-held"):
        assert "--task" in runner.invoke(app, ["datasets", command, "--help"]).output
    assert runner.invoke(app, ["datasets", "hold-beads", "-t", "adp-mini-temporal", "--samples", "7"]).exit_code == 2
