"""Which rows a plan has and what they are called: no two records may replace each other unseen."""

import subprocess
import sys

import pytest

from backmapbench.errors import SubmissionError
from backmapbench.planning import plan
from backmapbench.reference_models.training.delivery import write_door
from backmapbench.submissions.registry import installed_models

MODEL = """
from backmapbench.submissions import ModelInfo

class Mine:
    info = ModelInfo("{name}", "{words}")
    def backmap(self, system, beads, samples, seed): ...
"""


def written(folder, name, words="nothing"):
    folder.mkdir(exist_ok=True)
    path = folder / "model.py"
    path.write_text(MODEL.format(name=name, words=words), encoding="utf-8")
    return f"{path}:Mine"


def door(folder, digest):
    """What training leaves behind in ``folder``: a class named like the installed one."""
    folder.mkdir(parents=True)
    (folder / "weights.toml").write_text(f'[tensors]\nsha256 = "{digest}"\n', encoding="utf-8")
    module = "backmapbench.reference_models.temporal_cvae.model"
    write_door(folder, module, {"Trained": "TemporalCvae"})
    return f"{folder / 'model.py'}:Trained"


def test_a_trained_model_gets_a_row_beside_the_installed_one(task, tmp_path):
    first, second = door(tmp_path / "a" / "run", "1"), door(tmp_path / "b" / "run", "2")
    rows = plan(task, ["temporal-cvae", first, second], [0, 1])
    names = [row.name for row in rows]
    assert names[:2] == ["temporal-cvae"] * 2
    assert len(set(names)) == 3
    assert all(name.startswith("temporal-cvae+") and len(name) == len("temporal-cvae+1a2b3c4d") for name in names[2:])
    assert len({row.code for row in rows}) == 3
    assert [row.name for row in plan(task, [first], [0])] == [rows[2].name]


def test_files_of_one_name_are_told_apart_though_python_calls_both_model(task, tmp_path):
    one, two = written(tmp_path / "a", "one"), written(tmp_path / "b", "two", words="something")
    first, second = plan(task, [one, two], [0])
    assert (first.name, second.name) == ("one", "two")
    assert first.code != second.code
    assert plan(task, [one], [0])[0].code == first.code


def test_a_name_that_no_installed_model_has_stays_as_it_is(task, tmp_path):
    (row,) = plan(task, [written(tmp_path, "mine")], [0])
    assert row.name == "mine"


def test_a_folder_of_predictions_is_no_installed_model(task, tmp_path):
    text = f'name = "temporal-cvae"\ntask = "{task.card.name}"\ndescription = "made elsewhere"\n'
    (tmp_path / "prediction.toml").write_text(text, encoding="utf-8")
    (row,) = plan(task, [str(tmp_path)], [0])
    assert row.name.startswith("temporal-cvae+")


def test_two_rows_of_one_name_are_one_clear_error(task, tmp_path):
    one, two = written(tmp_path / "a", "mine"), written(tmp_path / "b", "mine")
    with pytest.raises(SubmissionError, match="are both called 'mine'") as caught:
        plan(task, [one, "oracle", two], [0])
    assert all(name in str(caught.value) for name in (one, two))
    assert "\n" not in str(caught.value)
    for name in ("oracle", "lookup", one):
        with pytest.raises(SubmissionError, match="is given twice"):
            plan(task, [name, name], [0])


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "lookup", "oracle"])
def test_names_that_no_row_can_have(task, tmp_path, name):
    with pytest.raises(SubmissionError, match="no row name"):
        plan(task, [written(tmp_path, name)], [0])


def test_planning_all_installed_models_imports_no_torch(tmp_path):
    code = (
        "import sys\n"
        "from backmapbench.planning import plan\n"
        "from backmapbench.submissions.registry import installed_models\n"
        "from backmapbench.tasks import load_task\n"
        "rows = plan(load_task('adp-mini-temporal'), [each.name for each in installed_models()], [0])\n"
        "print(len(rows), 'torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(len(installed_models())), "False"]
