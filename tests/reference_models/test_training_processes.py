"""Several processes: a file of its own, because each of them imports torch afresh."""

import importlib
from pathlib import Path

import numpy as np

from backmapbench.reference_models.training import train
from backmapbench.reference_models.training.logs import read_log


def test_two_processes_give_the_curve_of_one(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))  # spawned processes take over the path
    toy = importlib.import_module("regression")
    toy.main(tmp_path / "one", 1, 0)
    result = train(toy.Regression(), toy.engine(devices=2), 3, tmp_path / "two")
    assert result.steps == toy.STEPS
    one, two = (read_log(tmp_path / name) for name in ("one", "two"))
    for column in ("loss", "gradient_norm", "validation_loss"):
        np.testing.assert_allclose(two[column], one[column], rtol=1e-4)
    assert one["loss"] != two["loss"]  # the shares are summed in another order: it was no single process
