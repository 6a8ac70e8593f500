"""A backmapper gets beads, topology and a seed: what the harness hands over holds nothing of the answer."""

import numpy as np
import pytest

from backmapbench.planning import Settings, plan
from backmapbench.runner import run_rows
from backmapbench.submissions import ModelInfo

SEEN = {}


class Spy:
    """Keeps what it is given and returns beads' centroids."""

    info = ModelInfo("spy", "keeps what it is given")

    def fit(self, system, training, seed):
        SEEN["training"], SEEN["system"] = training, system

    def backmap(self, system, beads, samples, seed):
        SEEN.setdefault("beads", beads)  # the whole split; then frames with their neighbours, for samples
        SEEN["windows"] = beads
        return np.repeat(beads.positions[None, :, :1], system.topology.n_atoms, axis=2).repeat(samples, axis=0)


@pytest.fixture(scope="module")
def seen(task, tmp_path_factory):
    SEEN.clear()
    row = plan(task, [f"{__file__}:Spy"], [0])
    run_rows(task, row, Settings(tmp_path_factory.mktemp("spy")))
    return dict(_module_of(row[0].model).SEEN)


def _module_of(model):
    import sys

    return sys.modules[type(model).__module__]


def test_beads_are_the_mapped_reference_and_share_no_memory(task, seen):
    reference = task.atoms("test").positions
    np.testing.assert_array_equal(seen["beads"].positions, task.mapping.positions(reference))
    assert seen["beads"].positions.shape == (len(reference), 6, 3)
    array = seen["beads"].positions
    while array is not None:
        assert array.shape[-2] == 6
        array = array.base


def test_windows_hold_beads_of_the_same_split_alone(seen):
    whole = {frame.tobytes() for frame in seen["beads"].positions}
    assert seen["windows"] is not seen["beads"]
    assert {frame.tobytes() for frame in seen["windows"].positions} <= whole


def test_the_origin_is_a_function_of_the_beads(seen):
    assert np.abs(seen["beads"].positions.mean(axis=1)).max() < 1e-6


def test_training_frames_are_of_other_trajectories(task, seen):
    held_back = {frame.tobytes() for split in ("test", "fresh") for frame in task.atoms(split).positions}
    for data in (seen["training"].train, seen["training"].validation):
        assert not held_back & {frame.tobytes() for frame in data.positions}


def test_the_topology_carries_no_coordinates(seen):
    assert not hasattr(seen["system"].topology, "xyz")
    assert not hasattr(seen["system"], "reference")
