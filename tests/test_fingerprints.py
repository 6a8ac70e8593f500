"""A record's hash covers every file that a model's coordinates may depend on."""

import importlib
import sys

import pytest

from backmapbench.fingerprints import model_files
from backmapbench.reference_models.bead_centre.model import BeadCentre
from backmapbench.reference_models.cgvae.chains import CgvaeTwoStep
from backmapbench.reference_models.training.delivery import write_door
from backmapbench.submissions.registry import load_model

SUBMISSION = """
from backmapbench.submissions import ModelInfo

class Mine:
    info = ModelInfo("mine", "nothing")
    def backmap(self, system, beads, samples, seed): ...
"""
FILES = {
    "__init__.py": "",
    "shared.py": "def helper():\n    import family.deep.far\n",
    "unused.py": "",
    "mine/__init__.py": "",
    "mine/model.py": "from family import shared\n\nclass Model:\n    pass\n",
    "deep/__init__.py": "",
    "deep/far.py": "",
    "deep/weights.toml": "",
}


@pytest.fixture
def family(tmp_path, monkeypatch):
    for name, text in FILES.items():
        path = tmp_path / "family" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("family.mine.model").Model()
    for name in [name for name in sys.modules if name.split(".")[0] == "family"]:
        del sys.modules[name]


def test_what_a_package_imports_beside_it_is_followed(family, tmp_path):
    root = tmp_path / "family"
    assert model_files(family) == [root / "mine", root / "deep", root / "shared.py"]


def test_a_file_stands_alone(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(SUBMISSION, encoding="utf-8")
    assert model_files(load_model(f"{path}:Mine")[0]) == [path]


def test_a_trained_model_s_file_depends_on_the_package_s_code_behind_it(tmp_path):
    (tmp_path / "weights.toml").write_text('[tensors]\nsha256 = "0"\n', encoding="utf-8")
    write_door(tmp_path, "backmapbench.reference_models.cgvae.chains", {"Trained": "CgvaeTwoStep"})
    path = tmp_path / "model.py"
    trained = model_files(load_model(f"{path}:Trained")[0])
    assert trained[0] == path
    assert set(trained[1:]) == set(model_files(CgvaeTwoStep()))


def test_imports_are_read_again_when_a_file_has_changed(family, tmp_path):
    root = tmp_path / "family"
    model_files(family)
    (root / "shared.py").write_text("import family.unused\n", encoding="utf-8")
    assert model_files(family) == [root / "mine", root / "shared.py", root / "unused.py"]


def test_chains_depend_on_the_engine_and_the_other_links():
    names = {path.name for path in model_files(CgvaeTwoStep())}
    assert {"cgvae", "multistep.py", "composition.py", "levels.py", "training", "bead_centre"} <= names
    assert [path.name for path in model_files(BeadCentre())] == ["bead_centre"]
