"""The training engine: resuming, micro-batches, processes, guard, logs."""

import csv
import importlib.util
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from backmapbench.reference_models.training import EngineSettings, TrainingError, train
from backmapbench.reference_models.training.draws import examples_of
from backmapbench.reference_models.training.guard import Guard
from backmapbench.reference_models.training.logs import read_log
from backmapbench.reference_models.training.settings import GuardSettings

SCRIPT = Path(__file__).with_name("regression.py")


@pytest.fixture(scope="module")
def toy():
    spec = importlib.util.spec_from_file_location("regression", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def unbroken(toy, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    toy.main(folder, 1, 0)
    return folder


def rows(folder):
    """The log without wall times."""
    with (folder / "log.csv").open() as handle:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(handle)]


def tensors(folder):
    """Name of the last checkpoint's tensor file, which holds the hash of network and optimiser."""
    (path,) = folder.glob("last-*.safetensors")
    return path.name


def test_killed_and_resumed_equals_unbroken_bit_for_bit(toy, unbroken, tmp_path):
    """Killed between two checkpoints, in a process of its own."""
    command = [sys.executable, str(SCRIPT), str(tmp_path), "1", "17"]
    assert subprocess.run(command, check=False, capture_output=True).returncode == -signal.SIGKILL
    assert (tmp_path / "last.toml").is_file()
    assert len(rows(tmp_path)) == 17 // 5
    toy.main(tmp_path, 1, 0)
    assert tensors(tmp_path) == tensors(unbroken)
    assert rows(tmp_path) == rows(unbroken)
    assert len(rows(tmp_path)) == toy.STEPS // 5


@pytest.mark.parametrize("stop", [3, 17, 30])
def test_debris_of_a_stop_does_no_harm(toy, unbroken, tmp_path, stop):
    """Tensors without their TOML file, a row cut short, rows after the checkpoint or before the first."""

    class StoppedError(Exception):
        pass

    def progress(step, total, losses):
        if step == stop:
            raise StoppedError

    with pytest.raises(StoppedError):
        train(toy.Regression(), toy.engine(), 3, tmp_path, progress=progress)
    assert (tmp_path / "last.toml").is_file() == (stop >= 10)
    (tmp_path / "last-0123456789ab.safetensors").write_bytes(b"half")
    with (tmp_path / "log.csv").open("a") as handle:
        handle.write("20,0.1")
    toy.main(tmp_path, 1, 0)
    assert tensors(tmp_path) == tensors(unbroken)
    assert rows(tmp_path) == rows(unbroken)


def test_longer_run_goes_on(toy, unbroken, tmp_path):
    train(toy.Regression(), toy.engine(steps=20), 3, tmp_path)
    result = train(toy.Regression(), toy.engine(), 3, tmp_path)
    assert result.steps == toy.STEPS
    assert tensors(tmp_path) == tensors(unbroken)


def test_micro_batches_change_rounding_alone(toy, unbroken, tmp_path):
    train(toy.Regression(), toy.engine(accumulate=4), 3, tmp_path)
    np.testing.assert_allclose(read_log(tmp_path)["loss"], read_log(unbroken)["loss"], rtol=1e-5)
    assert tensors(tmp_path) != tensors(unbroken)


def test_it_learns_and_keeps_the_best(toy, unbroken):
    log = read_log(unbroken)
    assert log["loss"][-1] < 0.85 * log["loss"][0]
    held_out = [value for value in log["validation_loss"] if not np.isnan(value)]
    assert len(held_out) == toy.STEPS // 10
    result = train(toy.Regression(), toy.engine(), 3, unbroken)
    assert result.best == min(held_out)
    assert result.best_weights.is_file()
    assert log["rate"][0] == 3e-2
    assert log["rate"][-1] == 1.5e-2


def test_finished_run_is_loaded_not_trained(toy, unbroken):
    told = []
    learner = toy.Regression(seed=5)
    train(learner, toy.engine(), 3, unbroken, progress=lambda *what: told.append(what))
    again = toy.Regression(seed=6)
    train(again, toy.engine(), 3, unbroken)
    assert not told
    for first, second in zip(learner.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(first, second)


def test_run_of_other_settings_is_refused(toy, unbroken):
    with pytest.raises(TrainingError, match=r"model\.rate was 0\.03, now 0\.02"):
        train(toy.Regression(rate=0.02), toy.engine(), 3, unbroken)
    with pytest.raises(TrainingError, match="seed was 3, now 4"):
        train(toy.Regression(), toy.engine(), 4, unbroken)


def test_progress_is_told(toy, tmp_path):
    told = []
    train(toy.Regression(), toy.engine(steps=5), 0, tmp_path, progress=lambda *what: told.append(what))
    assert [step for step, _, _ in told] == [1, 2, 3, 4, 5]
    assert {total for _, total, _ in told} == {5}
    assert set(told[0][2]) == {"loss", "root", "gradient_norm"}


def test_a_bad_step_is_skipped(toy, tmp_path):
    train(toy.Regression(spoil=(7,)), toy.engine(), 3, tmp_path)
    log = read_log(tmp_path)
    assert log["refused"][-1] == 1
    assert np.isnan(log["loss"][1])
    assert np.isfinite(log["validation_loss"][-1])


def test_lasting_nan_ends_the_run(toy, tmp_path):
    guard = {"patience": 4}
    with pytest.raises(TrainingError, match=r"step 16: loss nan .* 4 refused steps in a row; lower the learning rate"):
        train(toy.Regression(spoil=range(12, 40)), toy.engine(guard=guard), 3, tmp_path)


def test_mixed_precision_trains_single_weights(toy, unbroken, tmp_path):
    learner = toy.Regression()
    train(learner, toy.engine(precision="bf16-mixed"), 3, tmp_path)
    assert next(learner.network.parameters()).dtype == torch.float32
    loss, single = read_log(tmp_path)["loss"], read_log(unbroken)["loss"]
    np.testing.assert_allclose(loss, single, rtol=0.05)
    assert loss != single


def test_guard_tells_spikes_from_levels():
    guard = Guard(GuardSettings(window=10, factor=10.0, patience=3))
    usual = [1.0, 1.1, 0.9, 1.05, 0.95] * 2
    assert all(guard.accepts(step, loss, 1.0) for step, loss in enumerate(usual))
    assert not guard.accepts(10, 50.0, 1.0)
    assert guard.accepts(11, 1.2, 1.0)
    assert not guard.accepts(12, 1.0, float("inf"))
    assert guard.accepts(13, -40.0, 1.0)
    assert [guard.accepts(14 + step, 50.0, 1.0) for step in range(4)] == [False, False, True, True]
    assert guard.refused == 4
    copy = Guard(guard.settings)
    copy.load(guard.state())
    assert copy.state() == guard.state()


@given(st.integers(1, 50), st.integers(1, 20), st.integers(0, 2**31))
def test_every_pass_sees_every_example_once(available, batch, seed):
    steps = -(-2 * available // batch)
    order = torch.cat([examples_of(step, batch, available, seed) for step in range(steps)])[: 2 * available]
    for part in order.split(available):
        assert sorted(part.tolist()) == list(range(available))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch": 10, "devices": 2, "accumulate": 3}, "batch 10 cannot be dealt to 2 devices x 3 micro-batches"),
        ({"checkpoint_every": 12}, "checkpoint_every must be a multiple of log_every = 5"),
        ({"validate_every": 7}, "validate_every must be a multiple"),
        ({"precison": "32-true"}, "Extra inputs"),
    ],
)
def test_settings_that_do_not_fit(changes, message):
    given = {"steps": 10, "batch": 16, "log_every": 5, "validate_every": 10, "checkpoint_every": 10}
    with pytest.raises(ValueError, match=message):
        EngineSettings(**(given | changes))


def test_tensorboard(toy, tmp_path):
    settings = toy.engine(steps=5, tensorboard=True)
    if importlib.util.find_spec("tensorboard") is None:
        with pytest.raises(TrainingError, match="install tensorboard or leave the setting out"):
            train(toy.Regression(), settings, 0, tmp_path)
    else:
        train(toy.Regression(), settings, 0, tmp_path)
        assert list((tmp_path / "tensorboard").glob("events*"))
