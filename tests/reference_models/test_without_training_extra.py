"""Weights that come with the package are used without the packages that training needs."""

import subprocess
import sys

import pytest

WITHOUT = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("lightning", "optuna"):
            raise ModuleNotFoundError(name, name=name.split(".")[0])

sys.meta_path.insert(0, Blocked())
"""
EVERY_MODEL = """
from backmapbench.submissions.registry import installed_models, load_model
print(*(load_model(point.name)[0].info.name for point in installed_models()))
"""
USE = """
from backmapbench.tasks import load_task
from backmapbench.reference_models.internal_coordinates.model import InternalCoordinates
task = load_task("nls-mini-ca")
model = InternalCoordinates()
model.fit(task.system, task.training_set(), 0)
print("fitted")
"""
TRAIN = """
from pathlib import Path
from backmapbench.reference_models.training import EngineSettings, TrainingError, train
try:
    train(None, None, 0, Path("never"))
except TrainingError as error:
    print(error, Path("never").exists())
"""


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (EVERY_MODEL, "lookup"),
        (USE, "fitted"),
        (TRAIN, "training needs lightning; install the extra: pip install 'backmapbench[train]' False"),
    ],
)
def test_without_lightning_and_optuna(code, said, tmp_path):
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT + code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert said in result.stdout
