"""Running rows again after something changed, and what a record says of the machine."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from backmapbench.board.rows import collect
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.planning import Settings, plan
from backmapbench.records import STALE, read_record, record_path
from backmapbench.runner import run_rows
from backmapbench.tasks import Task

MODEL = """
import sys
import numpy as np
from backmapbench.submissions import ModelInfo

class Mine:
    info = ModelInfo("mine", "noise about the beads' centroid")
    def backmap(self, system, beads, samples, seed):
        use = getattr(sys.modules.get("torch"), "use", None)
        if use is not None:
            use()
        shape = (samples, len(beads), system.topology.n_atoms, 3)
        return np.random.default_rng(seed).normal(scale=SCALE, size=shape).astype(np.float32)
"""


@pytest.fixture(scope="module")
def tiny(task):
    """Few short trajectories, read once; two metrics, few replicates."""
    read = {}

    class Short(Task):
        def atoms(self, split):
            if split not in read:
                data = super().atoms(split)
                kept = np.concatenate([data.positions[part][:50] for part in data.slices[:4]])
                read[split] = Trajectories(kept, (50,) * len(data.slices[:4]), data.frame_ps)
            return read[split]

    metrics = {name: task.card.metrics[name] for name in ("rmsd_angstrom", "bond_length_w1_angstrom")}
    uncertainty = task.card.uncertainty.model_copy(update={"replicates": 20})
    card = task.card.model_copy(update={"uncertainty": uncertainty, "metrics": metrics})
    return Short(card, task.dataset, task.folder)


@pytest.fixture
def model(tmp_path):
    """Path of a model's file, whose code is changed by ``model.write``."""
    path = tmp_path / "mine.py"

    def write(scale):
        path.write_text(MODEL.replace("SCALE", str(scale)), encoding="utf-8")

    write(0.3)
    return SimpleNamespace(name=f"{path}:Mine", write=write)


def run(task, model, folder, seeds):
    stages = []
    rows = plan(task, [model.name], list(range(seeds)))
    records = run_rows(task, rows, Settings(folder, resume=True), lambda row, stage: stages.append((row.seed, stage)))
    return records, stages


def test_seeds_of_an_older_model_are_not_averaged_with_new_ones(tiny, model, tmp_path):
    folder = tmp_path / "results"
    first, _ = run(tiny, model, folder, 3)
    assert len({record.fingerprint for record in first}) == 1
    assert len({record.key for record in first}) == 3
    model.write(0.4)
    (new,), stages = run(tiny, model, folder, 1)
    assert new.fingerprint != first[0].fingerprint
    (told,) = [stage for _, stage in stages if stage.startswith("set aside")]
    assert "seeds 1, 2" in told
    assert "--seeds 3" in told
    (board,) = collect(folder)
    assert board.row("mine").seeds == (0,)
    assert board.cell("mine", "rmsd_angstrom").value == new.scores["rmsd_angstrom"].value
    kept = record_path(folder, tiny.card.name, "mine", 2).parent / STALE / "seed-2.json"
    assert read_record(kept) == first[2]


def test_seeds_that_are_run_again_are_replaced_without_a_word(tiny, model, tmp_path):
    folder = tmp_path / "results"
    run(tiny, model, folder, 2)
    model.write(0.4)
    records, stages = run(tiny, model, folder, 2)
    assert not any(stage.startswith("set aside") for _, stage in stages)
    (board,) = collect(folder)
    assert board.row("mine").seeds == (0, 1)
    assert len({record.fingerprint for record in records}) == 1


def test_seeds_that_fit_stay_when_fewer_are_asked_for(tiny, model, tmp_path):
    folder = tmp_path / "results"
    run(tiny, model, folder, 2)
    _, stages = run(tiny, model, folder, 1)
    assert stages == [(0, "resumed")]
    assert collect(folder)[0].row("mine").seeds == (0, 1)


@pytest.mark.parametrize(("uses", "device"), [(True, "Fake H100"), (False, "cpu")])
def test_a_record_says_which_device_the_model_used(tiny, model, tmp_path, monkeypatch, uses, device):
    counts = [7]
    cuda = SimpleNamespace(
        is_initialized=lambda: True,
        device_count=lambda: 1,
        memory_stats=lambda _: {"allocation.all.allocated": counts[0]},
        get_device_name=lambda _: "Fake H100",
    )
    fake = SimpleNamespace(cuda=cuda, use=lambda: counts.append(counts.pop() + uses))
    monkeypatch.setitem(sys.modules, "torch", fake)
    (record,), _ = run(tiny, model, tmp_path / "results", 1)
    assert record.cost.device == device
