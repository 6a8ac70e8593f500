"""Backmappers are found by name, by file and as folders, and refused with a reason."""

import subprocess
import sys

import pytest

from backmapbench.errors import SubmissionError, UnknownNameError
from backmapbench.submissions import Backmapper
from backmapbench.submissions.registry import installed_models, load_model

GOOD = """
import numpy as np
from backmapbench.submissions import ModelInfo
class Mine:
    info = ModelInfo("mine", "zeros")
    def backmap(self, system, beads, samples, seed):
        return np.zeros((samples, len(beads), system.topology.n_atoms, 3), dtype=np.float32)
class NoInfo:
    def backmap(self, system, beads, samples, seed): ...
class Picky(Mine):
    def __init__(self, needed): ...
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(GOOD)
    return path


def test_reference_models_come_through_entry_points():
    names = [model.name for model in installed_models()]
    assert {"bead-centre", "lookup"} <= set(names)
    for name in names:
        model, origin = load_model(name)
        assert isinstance(model, Backmapper)
        assert model.info.name == name
        assert origin.startswith("backmapbench ")


def test_a_file_is_a_submission(file):
    model, origin = load_model(f"{file}:Mine")
    assert model.info.name == "mine"
    assert origin.endswith("mine.py:Mine")


@pytest.mark.parametrize(
    ("attribute", "message"),
    [("Other", "it has .*Mine"), ("NoInfo", "no Backmapper"), ("Picky", "without arguments")],
)
def test_bad_submissions_are_refused(file, attribute, message):
    with pytest.raises(SubmissionError, match=message):
        load_model(f"{file}:{attribute}")


def test_missing_and_broken_files(tmp_path):
    with pytest.raises(SubmissionError, match="no such file"):
        load_model(f"{tmp_path / 'none.py'}:Mine")
    (tmp_path / "broken.py").write_text("1 / 0")
    with pytest.raises(SubmissionError, match="ZeroDivisionError"):
        load_model(f"{tmp_path / 'broken.py'}:Mine")
    with pytest.raises(SubmissionError, match=r"prediction\.toml"):
        load_model(str(tmp_path))


def test_unknown_model_gets_a_hint():
    with pytest.raises(UnknownNameError, match="did you mean lookup"):
        load_model("lokup")


def test_listing_imports_no_torch():
    code = (
        "import sys; from backmapbench.submissions.registry import installed_models; "
        "installed_models(); print('torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
