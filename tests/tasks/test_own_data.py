"""A user's own structure and trajectories become a task with one short card."""

import json
import shutil
import sys
from pathlib import Path

import mdtraj
import numpy as np
import pytest
from openmm.app import PDBFile

from backmapbench import cli
from backmapbench.datasets.simulation.peptide import build_peptide
from backmapbench.errors import CardError, DataError
from backmapbench.tasks import load_task

CARD = """\
schema_version = 1
name = "mine"
version = 1
title = "My peptide"
protocol = "{protocol}"
metric_set = "independent"

[data]
topology = "mine.pdb"
temperature_K = 300.0
frame_ps = 2.0
atoms = "heavy"

[data.splits]
train = ["one.xtc[:20]"]
validation = ["one.xtc[20:]"]
test = ["two.dcd"]
fresh = ["three.xtc"]

[mapping]
kind = "ca"

[uncertainty]
replicates = 20
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a capped tripeptide, three short trajectories and a card."""
    folder = tmp_path_factory.mktemp("own")
    topology, positions = build_peptide("AYA")
    with (folder / "mine.pdb").open("w") as handle:
        PDBFile.writeFile(topology, positions * 10, handle)
    start = mdtraj.load(str(folder / "mine.pdb"))
    rng = np.random.default_rng(0)
    for name, frames in (("one.xtc", 30), ("two.dcd", 25), ("three.xtc", 25)):
        noisy = start.xyz + rng.normal(scale=0.005, size=(frames, start.n_atoms, 3)).astype(np.float32)
        mdtraj.Trajectory(noisy, start.topology, time=np.arange(frames) * 2.0).save(str(folder / name))
    (folder / "task.toml").write_text(CARD.format(protocol="independent"))
    return folder


@pytest.fixture
def own(made, tmp_path, monkeypatch):
    """A copy of it, and an empty cache."""
    monkeypatch.setenv("BACKMAPBENCH_CACHE", str(tmp_path / "cache"))
    return Path(shutil.copytree(made, tmp_path / "own"))


def test_a_card_of_under_thirty_lines_is_enough(own, monkeypatch, capsys):
    assert len(CARD.splitlines()) < 30
    arguments = ["run", "-t", own / "task.toml", "-o", own / "out", "-m", "lookup", "--json"]
    monkeypatch.setattr(sys, "argv", ["backmapbench", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert not stop.value.code
    records = {record["model"]["name"]: record for record in json.loads(capsys.readouterr().out)["records"]}
    assert set(records) >= {"oracle", "fresh-md", "lookup", "bead-centre", "shuffled", "mirror"}
    assert records["oracle"]["scores"]["rmsd_angstrom"]["value"] == 0
    assert 0 < records["lookup"]["scores"]["rmsd_angstrom"]["value"] < 1
    assert records["bead-centre"]["scores"]["rmsd_angstrom"]["value"] > 1
    assert records["oracle"]["metrics"]["rmsd_angstrom"]["status"] == "ok"


def test_fresh_md_is_optional(own):
    card = own / "task.toml"
    card.write_text(card.read_text().replace('fresh = ["three.xtc"]\n', ""))
    assert load_task(str(card)).card.splits.fresh is None


def test_stretches_hydrogens_and_spacing(own):
    task = load_task(str(own / "task.toml"))
    assert task.atoms("train").lengths == (20,)
    assert task.atoms("validation").lengths == (10,)
    assert all(atom.element.symbol != "H" for atom in task.system.topology.atoms)
    read = mdtraj.load(str(own / "two.dcd"), top=str(own / "mine.pdb"))
    heavy = read.topology.select("element != H")
    found = task.dataset.split("test").positions
    differences = np.linalg.norm(found[:, 1:] - found[:, :1], axis=-1)
    expected = np.linalg.norm(read.xyz[:, heavy][:, 1:] - read.xyz[:, heavy][:, :1], axis=-1)
    assert differences == pytest.approx(expected, abs=1e-5)


def _read_everything(card):
    task = load_task(str(card))
    return task.training_set(), task.atoms("test")


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ('"two.dcd"', '"four.dcd"', DataError, "four.dcd: no such file"),
        ('"mine.pdb"', '"yours.pdb"', DataError, "yours.pdb: no such file"),
        ("[:20]", "[40:]", DataError, "empty"),
        ("temperature_K = 300.0", "temperature_K = -1.0", CardError, "temperature_K"),
        ('kind = "ca"', 'kind = "slice"\natoms = ["XXX9:CA"]', CardError, "XXX9:CA"),
    ],
)
def test_wrong_cards_are_one_error(own, old, new, error, message):
    card = own / "task.toml"
    assert old in card.read_text()
    card.write_text(card.read_text().replace(old, new))
    with pytest.raises(error, match=message):
        _read_everything(card)
