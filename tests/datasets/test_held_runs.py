"""Runs that hold beads: resumed to the same bytes after a kill, and refused where they do not fit."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backmapbench.datasets.catalogue import load_dataset
from backmapbench.datasets.simulation.drawing import Drawing
from backmapbench.datasets.simulation.held import hold_beads
from backmapbench.datasets.simulation.held_files import Frames, holding_provenance, load_samples
from backmapbench.datasets.simulation.held_starts import simulated_recipe
from backmapbench.errors import DataError

BEADS = [4, 6, 8, 10, 14, 16]
DRAWING = Drawing(3, 1.0)


def frames(indices=(0, 30000)):
    starts = load_dataset("adp-mini").split("test").positions[list(indices)].astype(np.float64)
    weights = np.eye(starts.shape[1])[BEADS]
    return Frames(starts, weights @ starts, weights, {"task": "none", "split": "test", "frames": list(indices)})


def go(folder, workers=1):
    return hold_beads(simulated_recipe(load_dataset("adp-mini")), frames(), DRAWING, folder, workers)


SCRIPT = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_held_runs import go
if __name__ == "__main__":
    go(Path(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("held") / "run"
    provenance = go(folder, 2)
    assert provenance["core_seconds"] > 0
    assert provenance["platform"] == "Reference"
    return folder


def test_a_run_holds_its_beads_and_moves_the_rest(unbroken):
    samples = load_samples(unbroken)
    assert samples.positions.shape == (3, 2, 22, 3)
    assert samples.bead_errors.max() < 1e-5
    np.testing.assert_allclose(samples.positions[:, :, BEADS], samples.frames.beads[None].repeat(3, axis=0), atol=1e-12)
    free = np.setdiff1d(np.arange(22), BEADS)
    chain = np.concatenate([samples.frames.starts[None], samples.positions])[:, :, free]
    assert (np.abs(np.diff(chain, axis=0)).max(axis=(2, 3)) > 0.01).all()


def test_a_killed_run_continues_to_the_same_samples(unbroken, tmp_path):
    script, folder = tmp_path / "go.py", tmp_path / "run"
    script.write_text(SCRIPT)
    process = subprocess.Popen([sys.executable, str(script), str(folder)], start_new_session=True)
    deadline = time.monotonic() + 120
    while not list(folder.glob("frame-*.npz")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert list(folder.glob("frame-*.npz"))
    with pytest.raises(DataError, match="has not finished"):
        load_samples(folder)
    go(folder)
    np.testing.assert_array_equal(load_samples(folder).positions, load_samples(unbroken).positions)


def test_a_folder_of_other_frames_or_settings_is_refused(unbroken):
    recipe = simulated_recipe(load_dataset("adp-mini"))
    with pytest.raises(DataError, match="other settings or frames"):
        hold_beads(recipe, frames((0, 30001)), DRAWING, unbroken)
    with pytest.raises(DataError, match="other settings or frames"):
        hold_beads(recipe, frames(), replace(DRAWING, settle_ps=2.0), unbroken)


def test_a_run_with_too_few_samples_is_refused(unbroken, tmp_path):
    for name in ("holding.json", "input.npz", "frame-0000.npz", "frame-0001.npz"):
        (tmp_path / name).write_bytes((unbroken / name).read_bytes())
    with np.load(tmp_path / "frame-0001.npz") as saved:
        kept = {name: saved[name] for name in saved.files}
    np.savez(tmp_path / "frame-0001.npz", **kept | {"positions": kept["positions"][:2]})
    with pytest.raises(DataError, match="fewer samples"):
        load_samples(tmp_path)


def test_wrong_input_is_refused(tmp_path):
    with pytest.raises(DataError, match="has not finished"):
        holding_provenance(tmp_path)
    starts, weights = np.zeros((2, 5, 3)), np.eye(5)[:2]
    with pytest.raises(DataError, match="do not fit"):
        Frames(starts, np.zeros((2, 3, 3)), weights, {})
    with pytest.raises(DataError, match="do not fit"):
        Frames(starts, np.zeros((2, 2, 3)), weights[:, :4], {})
