"""End to end through the command line, on a shortened copy of the embedded task."""

import json
import shutil
import subprocess
import sys
import tomllib

import numpy as np
import pytest
import tomli_w

from backmapbench import cli
from backmapbench.datasets import catalogue, codec
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.files import sha256
from backmapbench.tasks.card import CARDS as TASKS

MODELS = """
import numpy as np
from backmapbench.submissions import ModelInfo

def frames(system, beads, samples):
    out = np.zeros((samples, len(beads), system.topology.n_atoms, 3), dtype=np.float32)
    out[:, :, system.mapping.slice_atoms] = beads.positions
    return out

class Base:
    info = ModelInfo("mine", "beads, and zeros elsewhere")
    def fit(self, system, training, seed):
        self.typical = training.train.positions[0]
    def backmap(self, system, beads, samples, seed):
        return frames(system, beads, samples)
class Nan(Base):
    def backmap(self, system, beads, samples, seed):
        return frames(system, beads, samples) * np.float32("nan")
class Shape(Base):
    def backmap(self, system, beads, samples, seed):
        return frames(system, beads, samples)[0]
class Atoms(Base):
    def backmap(self, system, beads, samples, seed):
        return frames(system, beads, samples)[:, :, :-1]
class Angstrom(Base):
    def backmap(self, system, beads, samples, seed):
        return np.broadcast_to(self.typical * 10, frames(system, beads, samples).shape).copy()
class Raises(Base):
    def backmap(self, system, beads, samples, seed):
        return beads.no_such_thing
class Interrupted(Base):
    def backmap(self, system, beads, samples, seed):
        raise KeyboardInterrupt
"""


def invoke(monkeypatch, capsys, *arguments):
    """Run the command in this process: (exit code, stdout, stderr)."""
    monkeypatch.setattr(sys, "argv", ["backmapbench", *map(str, arguments)])
    monkeypatch.setattr(cli.err, "_width", 400, raising=False)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    captured = capsys.readouterr()
    return stop.value.code or 0, captured.out, captured.err


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """The embedded dataset cut to 100 frames per trajectory, its card and a task card with few replicates."""
    root = tmp_path_factory.mktemp("package")
    original = catalogue.load_dataset("adp-mini")
    card = original.card.model_dump(exclude_none=True)
    folder = root / "embedded" / "adp-mini"
    folder.mkdir(parents=True)
    shutil.copy(original.topology_path, folder)
    card.pop("conditional")  # its frames are those of the whole split
    parents = codec.spanning_tree([(a.index, b.index) for a, b in original.topology.bonds], original.card.atoms)
    for name, entry in card["splits"].items():
        data = original.split(name)
        kept = np.concatenate([data.positions[part][:100] for part in data.slices])
        codec.write(folder / entry["path"], Trajectories(kept, (100,) * len(data.lengths), 1.0), parents, 2e-4)
        path = folder / entry["path"]
        entry |= {"frames": len(kept), "sha256": sha256(path), "bytes": path.stat().st_size}
    (root / "cards").mkdir()
    (root / "cards" / "adp-mini.toml").write_text(tomli_w.dumps(card))
    task = tomllib.loads((TASKS / "adp-mini-temporal.toml").read_text())
    task["uncertainty"]["replicates"] = 20
    task["kinetics"]["states"] = 20
    task["metrics"]["hidden_torsion_timescale_log_error"]["maximum_lag_frames"] = 50
    (root / "task.toml").write_text(tomli_w.dumps(task))
    (root / "models.py").write_text(MODELS)
    return root


@pytest.fixture
def command(short, monkeypatch, capsys):
    """``command(*arguments)`` on the shortened dataset."""
    monkeypatch.setattr(catalogue, "ROOT", short)
    monkeypatch.setattr(catalogue, "CARDS", short / "cards")
    return lambda *arguments: invoke(monkeypatch, capsys, *arguments)


def run(command, short, output, *models, extra=()):
    names = [f"{short / 'models.py'}:{model}" if model[0].isupper() else model for model in models]
    named = [part for name in names for part in ("-m", name)]
    return command("run", "-t", short / "task.toml", "-o", output, "--no-controls", *named, *extra)


def test_run_resume_and_report(command, short, tmp_path):
    code, out, error = run(command, short, tmp_path / "out", "oracle", "bead-centre", "Base", extra=["--seeds", "2"])
    assert code == 0, error
    assert "4 records" in out
    code, out, _ = run(command, short, tmp_path / "out", "oracle", "Base", extra=["--seeds", "2", "--resume"])
    assert code == 0
    assert "resumed: 3 of 3" in out
    code, out, _ = command("report", tmp_path / "out")
    assert code == 0
    assert "oracle" in out
    assert "rmsd" in out
    for name in ("index.html", "board.md", "board.csv", "board.json"):
        assert (tmp_path / "out" / name).stat().st_size > 0
    code, out, _ = command("report", tmp_path / "out", "--json")
    assert code == 0
    assert json.loads(out)
    code, out, _ = command("claims", tmp_path / "out", "--json")
    assert code == 0
    assert {paper["paper"] for paper in json.loads(out)["papers"]} == {"kementzidis2025", "shmilovich2022"}


def test_run_prints_json(command, short, tmp_path):
    code, out, _ = run(command, short, tmp_path / "out", "oracle", extra=["--json"])
    content = json.loads(out)
    assert code == 0
    assert content["records"][0]["scores"]["rmsd_angstrom"]["value"] == 0


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("Nan", "NaN or infinity"),
        ("Shape", "expected (samples, frames, atoms, 3)"),
        ("Atoms", "returned 21 atoms, the topology has 22"),
        ("Angstrom", "look like Angstrom"),
        ("Raises", "AttributeError"),
        ("Missing", "defines no 'Missing'"),
        ("lokup", "did you mean lookup"),
    ],
)
def test_models_that_cannot_be_scored(command, short, tmp_path, model, message):
    code, _, err = run(command, short, tmp_path / "out", model)
    assert code == 2
    assert message in err
    assert err.count("error:") == 1
    assert not list(tmp_path.rglob("seed-*"))


def test_interruption_leaves_a_folder_that_resumes(command, short, tmp_path):
    code, _, err = run(command, short, tmp_path / "out", "oracle", "Interrupted")
    assert code == 130
    assert "--resume" in err
    code, out, _ = run(command, short, tmp_path / "out", "oracle", extra=["--resume"])
    assert code == 0
    assert "resumed: 1 of 1" in out


def test_unknown_task_and_metric(command, short, tmp_path):
    code, _, err = command("run", "-t", "adp-mini-temporl", "-o", tmp_path / "out")
    assert code == 2
    assert "did you mean adp-mini-temporal" in err
    content = tomllib.loads((short / "task.toml").read_text())
    content["metrics"]["rmsd_angstroms"] = {}
    (tmp_path / "task.toml").write_text(tomli_w.dumps(content))
    code, _, err = command("run", "-t", tmp_path / "task.toml", "-o", tmp_path / "out")
    assert code == 2
    assert "did you mean rmsd_angstrom" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 0}, "version"),
        ({"colour": "red"}, "colour"),
        ({"mapping": {"kind": "slice", "atoms": ["ALA2:CAA"]}}, "ALA2:CAA"),
        ({"splits": {"train": "train", "validation": "train", "scored": "test", "fresh": "fresh"}}, "different splits"),
        ({"splits": {"train": "t", "validation": "validation", "scored": "test", "fresh": "fresh"}}, "splits.train"),
        ({"dataset": "adp-minni"}, "did you mean adp-mini"),
    ],
)
def test_wrong_task_cards(command, short, tmp_path, change, message):
    content = tomllib.loads((short / "task.toml").read_text()) | change
    (tmp_path / "task.toml").write_text(tomli_w.dumps(content))
    code, _, err = command("run", "-t", tmp_path / "task.toml", "-o", tmp_path / "out", "-m", "oracle", "--no-controls")
    assert code == 2
    assert message in err


def test_output_that_is_a_file_or_is_taken(command, short, tmp_path):
    (tmp_path / "file").write_text("x")
    code, _, err = run(command, short, tmp_path / "file", "oracle")
    assert code == 2
    assert "is a file" in err
    run(command, short, tmp_path / "out", "oracle")
    code, _, err = run(command, short, tmp_path / "out", "oracle")
    assert code == 2
    assert "--resume" in err


@pytest.mark.parametrize("resume", [True, False])
def test_records_of_another_schema(command, short, tmp_path, resume):
    run(command, short, tmp_path / "out", "oracle")
    (path,) = tmp_path.rglob("seed-0.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 99}))
    if resume:
        code, _, err = run(command, short, tmp_path / "out", "oracle", extra=["--resume"])
    else:
        code, _, err = command("report", tmp_path / "out")
    assert code == 2
    assert "schema version 99" in err
    assert not (tmp_path / "out" / "index.html").exists()


@pytest.mark.parametrize(("damage", "message"), [(lambda b: b[:-9], "truncated"), (lambda b: b[:-1] + b"x", "SHA-256")])
def test_damaged_embedded_files(command, short, tmp_path, damage, message):
    path = short / "embedded" / "adp-mini" / "test.npz"
    original = path.read_bytes()
    path.write_bytes(damage(original))
    try:
        code, _, err = run(command, short, tmp_path / "out", "oracle")
        assert code == 2
        assert "test.npz" in err
        assert message in err
        code, _, err = command("datasets", "verify")
        assert code == 2
        assert message in err
    finally:
        path.write_bytes(original)


def test_report_of_nothing(command, tmp_path):
    code, _, err = command("report", tmp_path / "none")
    assert code == 2
    assert "none" in err


def test_beads_for_other_programs_and_their_predictions(command, short, tmp_path):
    code, _, _ = command("beads", tmp_path / "in", "-t", short / "task.toml")
    assert code == 0
    code, _, err = command("beads", tmp_path / "in", "-t", short / "task.toml")
    assert code == 2
    assert "not an empty folder" in err
    (tmp_path / "in" / "sample-0").mkdir()
    for path in (tmp_path / "in" / "beads").iterdir():
        with np.load(path) as saved:
            atoms = np.repeat(saved["positions"][:, :1], 22, axis=1)
        np.savez(tmp_path / "in" / "sample-0" / path.name, positions=atoms)
    code, out, err = run(command, short, tmp_path / "out", str(tmp_path / "in"))
    assert code == 0, err
    assert "1 records" in out


def test_lists(command):
    code, out, _ = command("ls", "--json")
    content = json.loads(out)
    assert code == 0
    assert {"tasks", "datasets", "models", "controls", "metrics"} == content.keys()
    assert all(content.values())
    for arguments in (("ls",), ("datasets", "ls"), ("datasets", "ls", "--json"), ("datasets", "verify", "--json")):
        assert command(*arguments)[0] == 0


def test_simulate_through_the_command_line(command, tmp_path):
    arguments = ("datasets", "simulate", "adp-mini", "-o", tmp_path / "md", "--trajectories", "1", "--frames", "250")
    code, out, _ = command(*arguments, "--json")
    assert code == 0
    assert json.loads(out)["simulated_ns"] == pytest.approx(0.25)
    code, _, err = command("datasets", "simulate", "adp-minni")
    assert code == 2
    assert "did you mean adp-mini" in err


def test_installed_command_answers():
    result = subprocess.run(
        [sys.executable, "-m", "backmapbench", "--help"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0
    assert "report" in result.stdout
