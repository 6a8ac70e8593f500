"""The recipe really runs, and a killed run continues to the same bytes."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from backmapbench.datasets.simulation import load_recipe, load_trajectory, simulate
from backmapbench.errors import CardError, DataError, UnknownNameError

SHORT = {"trajectories": 2, "frames": 40, "checkpoint_frames": 10}
SCRIPT = """
import sys
from pathlib import Path
from backmapbench.datasets.simulation import load_recipe, simulate
if __name__ == "__main__":
    simulate(load_recipe("adp-mini", {short}), Path(sys.argv[1]), 1)
"""


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("md") / "run"
    provenance = simulate(load_recipe("adp-mini", SHORT), folder, 2)
    assert provenance["simulated_ns"] == pytest.approx(0.08)
    return folder


def test_killed_run_continues_to_the_same_bytes(unbroken, tmp_path):
    script = tmp_path / "go.py"
    script.write_text(SCRIPT.format(short=SHORT))
    folder = tmp_path / "run"
    process = subprocess.Popen([sys.executable, str(script), str(folder)], start_new_session=True)
    deadline = time.monotonic() + 120
    while len(list(folder.glob("traj-*/part-*.npy"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (folder / "simulation.json").exists()
    simulate(load_recipe("adp-mini", SHORT), folder, 1)
    for index in range(2):
        frames = load_trajectory(folder, index)
        assert frames.shape == (40, 22, 3)
        np.testing.assert_array_equal(frames, load_trajectory(unbroken, index))


def test_a_folder_of_another_recipe_is_refused(unbroken):
    with pytest.raises(DataError, match="other settings"):
        simulate(load_recipe("adp-mini", SHORT | {"frames": 20}), unbroken)


def test_wrong_recipes_are_refused():
    with pytest.raises(UnknownNameError, match="did you mean adp-mini"):
        load_recipe("adp-min")
    with pytest.raises(CardError, match="multiple"):
        load_recipe("adp-mini", {"frames": 15, "checkpoint_frames": 10})


def test_an_unfinished_run_has_no_trajectory(tmp_path):
    with pytest.raises(DataError, match="no frames"):
        load_trajectory(tmp_path, 0)
