"""The package stands on its own: nothing imports by folder name or relies on the repository root."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import backmapbench.datasets
import backmapbench.reference_models

ROOT = Path(backmapbench.__file__).parent
HOUSES = {
    "backmapbench": ROOT,
    "backmapbench.datasets": Path(backmapbench.datasets.__file__).parent,
    "backmapbench.reference_models": Path(backmapbench.reference_models.__file__).parent,
}
SCORING = ["records", "board", "evaluation", "planning", "runner"]
# What each room may import; data flows datasets -> coarse graining -> task -> backmapper -> metrics -> record -> board.
FORBIDDEN = {
    "datasets": [*SCORING, "coarse_graining", "tasks", "metrics", "submissions"],
    "coarse_graining": [*SCORING, "tasks", "metrics", "submissions"],
    "force_field": [*SCORING, "tasks", "metrics", "submissions", "datasets"],
    "submissions": [*SCORING, "tasks", "metrics", "reference_models"],
    "metrics": [*SCORING, "tasks", "submissions", "reference_models"],
    "reference_models": [*SCORING, "tasks", "metrics", "controls"],
    "tasks": [*SCORING, "controls", "reference_models"],
    "describe": [*SCORING, "metrics", "submissions", "controls", "reference_models"],
}


def _imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""


def _sources(room):
    folder = HOUSES.get(f"backmapbench.{room}", ROOT / room)
    return sorted(folder.rglob("*.py"))


def test_nothing_imports_by_folder_name():
    for house in HOUSES.values():
        for path in house.rglob("*.py"):
            if "asv" in path.parts:
                continue
            roots = {name.split(".")[0] for name in _imports(path)}
            assert not roots & {"benchmark", "datasets", "reference_models"}, path


@pytest.mark.parametrize("room", FORBIDDEN)
def test_nothing_lower_imports_anything_higher(room):
    sources = _sources(room)
    assert sources
    for path in sources:
        for name in _imports(path):
            parts = name.split(".")
            if parts[0] == "backmapbench" and len(parts) > 1:
                assert parts[1] not in FORBIDDEN[room], f"{path} imports {name}"


def test_imports_work_from_anywhere(tmp_path):
    code = (
        "import sys, backmapbench, backmapbench.datasets, backmapbench.reference_models\n"
        "import importlib.util as u\n"
        "print([name for name in ('benchmark', 'reference_models') if u.find_spec(name)])\n"
    )
    result = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_no_assert_and_no_print_in_library_code():
    for house in HOUSES.values():
        for path in house.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                assert not isinstance(node, ast.Assert), path
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    assert node.func.id != "print", path
