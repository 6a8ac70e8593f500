"""A user's own structure and trajectories behind the calls of a catalogued dataset."""

import mdtraj
import numpy as np
import pytest

from backmapbench.datasets.catalogue import ROOT, load_dataset
from backmapbench.datasets.own import own_dataset
from backmapbench.errors import DataError, UnknownNameError

PDB = ROOT / "recipes" / "ace-ala-nme.pdb"


@pytest.fixture(scope="module")
def xyz():
    return load_dataset("adp-mini").split("validation").positions[:40].copy()


@pytest.fixture
def mine(tmp_path, monkeypatch, xyz):
    """``mine(splits, ...)``: two runs of 20 frames in a folder, 1 ps apart."""
    monkeypatch.setenv("BACKMAPBENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "top.pdb").write_bytes(PDB.read_bytes())
    for number in range(2):
        part = mdtraj.Trajectory(xyz[20 * number :][:20], mdtraj.load_topology(str(PDB)), time=np.arange(20.0))
        part.save(str(tmp_path / f"{number}.xtc"))

    def make(splits, frame_ps=1.0, heavy=False):
        return own_dataset("mine", tmp_path / "top.pdb", splits, 300.0, frame_ps, ["amber99sbildn.xml"], heavy)

    return make


def test_splits_are_runs_or_stretches_of_runs(mine, xyz):
    data = mine({"train": ["0.xtc"], "test": ["1.xtc[5:15]"], "both": ["0.xtc[:10]", "1.xtc[10:]"]})
    np.testing.assert_allclose(data.split("train").positions, xyz[:20], atol=2e-3)
    np.testing.assert_allclose(data.split("test").positions, xyz[25:35], atol=2e-3)
    assert data.split("both").lengths == (10, 10)
    np.testing.assert_allclose(data.split("both").positions, xyz[[*range(10), *range(30, 40)]], atol=2e-3)
    assert data.split("test").frame_ps == 1.0
    with pytest.raises(UnknownNameError, match="did you mean test"):
        data.split("tests")


def test_heavy_atoms_only(mine, xyz):
    data = mine({"train": ["0.xtc"]}, heavy=True)
    assert data.topology.n_atoms == 10
    kept = mdtraj.load_topology(str(PDB)).select("element != H")
    np.testing.assert_allclose(data.split("train").positions, xyz[:20, kept], atol=2e-3)


def test_hashes_follow_files_and_stretches(mine, tmp_path):
    one, other = mine({"train": ["0.xtc"]}), mine({"train": ["0.xtc[:10]"]})
    assert one.hashes != other.hashes
    assert one.hashes == mine({"train": ["0.xtc"]}).hashes
    (tmp_path / "0.xtc").write_bytes((tmp_path / "1.xtc").read_bytes())
    assert mine({"train": ["0.xtc"]}).hashes != one.hashes


@pytest.mark.parametrize(
    ("splits", "frame_ps", "message"),
    [
        ({"train": ["2.xtc"]}, 1.0, r"2\.xtc: no such file; correct data\.splits\.train"),
        ({"train": ["0.xtc[30:]"]}, 1.0, r"data\.splits\.train: a stretch of frames is empty"),
        ({"train": ["0.xtc"]}, 5.0, r"0\.xtc: stored frame 1 comes 1 ps after the one before, frame_ps is 5"),
    ],
)
def test_wrong_cards_are_one_clear_error(mine, splits, frame_ps, message):
    with pytest.raises(DataError, match=message):
        mine(splits, frame_ps).split("train")


def test_no_topology(tmp_path):
    with pytest.raises(DataError, match=r"none\.pdb: no such file; correct data\.topology"):
        own_dataset("mine", tmp_path / "none.pdb", {}, 300.0, None, [], heavy=False)
