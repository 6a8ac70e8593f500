"""What records say of hardware and code."""

import ast
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import backmapbench.datasets
from backmapbench import provenance

PACKAGE = Path(backmapbench.__file__).parent
DATASETS = Path(backmapbench.datasets.__file__).parent
CHANGES_NO_SCORE = {
    "__init__.py",
    "errors.py",
    "files.py",
    "fingerprints.py",
    "planning.py",
    "provenance.py",
    "records.py",
    "download",  # what it brings is held against hashes
    "sequence.py",  # simulation from here on
    "simulation",
}


class Cuda:
    """What is asked of ``torch.cuda``."""

    def __init__(self, initialised, counts):
        self.initialised, self.counts = initialised, counts

    def is_initialized(self):
        return self.initialised

    def device_count(self):
        return len(self.counts)

    def memory_stats(self, device):
        return {"allocation.all.allocated": self.counts[device]} if self.counts[device] else {}

    def get_device_name(self, device):
        return ["Fake H100", "Fake T4"][device]


@pytest.fixture
def cuda(monkeypatch):
    found = Cuda(True, [0, 0])
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=found))
    return found


def test_the_accelerator_is_what_was_used_since(cuda):
    before = provenance.allocations()
    assert provenance.accelerators(before) == "cpu"
    cuda.counts = [0, 3]
    assert provenance.accelerators(before) == "Fake T4"
    assert provenance.accelerators(provenance.allocations()) == "cpu"
    cuda.counts = [1, 3]
    assert provenance.accelerators(before) == "Fake H100, Fake T4"


def test_cuda_that_is_not_set_up_is_not_asked(cuda, monkeypatch):
    cuda.initialised, cuda.counts = False, [5, 5]
    assert provenance.accelerators({}) == "cpu"
    monkeypatch.delitem(sys.modules, "torch")
    assert provenance.accelerators({}) == "cpu"
    assert "torch" not in sys.modules


def test_the_processor_has_a_name():
    assert provenance.processor()
    assert provenance.hardware()["processor"] == provenance.processor()


def test_what_the_runner_imports_is_scoring_code_or_changes_no_score():
    """Every module that running a row can import is hashed, or named here as one that changes no score."""
    hashed = set(provenance.scoring_code())
    assert all(path.exists() for path in hashed)
    found = _closure("backmapbench.runner")
    assert len(found) > 50
    for path in found:
        home = DATASETS if DATASETS in path.parents else PACKAGE
        named = {path.relative_to(home).parts[0], path.name}
        assert hashed & {path, *path.parents} or named & CHANGES_NO_SCORE, path


@pytest.mark.parametrize("name", ["runner.py", "submissions/checks.py", "metrics/rmsd.py", "evaluation.py"])
def test_scoring_code_has_what_makes_scores(name):
    assert set(provenance.scoring_code()) & {PACKAGE / name, *(PACKAGE / name).parents}
    assert not set(provenance.scoring_code()) & {PACKAGE / "board", PACKAGE / "cli", PACKAGE / "studies"}


def test_scoring_code_has_what_reads_data():
    assert {DATASETS / "codec.py", DATASETS / "catalogue.py", DATASETS / "readers"} <= set(provenance.scoring_code())


def _closure(module):
    found, waiting = set(), [module]
    while waiting:
        path = _source(waiting.pop())
        if path is None or path in found:
            continue
        found.add(path)
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                waiting += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                waiting += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found


def _source(module):
    first, *parts = module.split(".")
    if first != "backmapbench":
        return None
    home = PACKAGE
    if parts[:1] == ["datasets"]:
        home, parts = DATASETS, parts[1:]
    path = home.joinpath(*parts)
    return next((each for each in (path / "__init__.py", path.with_suffix(".py")) if each.is_file()), None)
