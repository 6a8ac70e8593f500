"""The summary of a trajectory file counts what is in it."""

import mdtraj
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backmapbench.datasets.catalogue import ROOT, load_dataset
from backmapbench.datasets.readers import inspect
from backmapbench.errors import DataError

PDB = ROOT / "recipes" / "ace-ala-nme.pdb"


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    """Real frames of alanine dipeptide, one of them mirrored, two cut by the box."""
    folder = tmp_path_factory.mktemp("walk")
    xyz = load_dataset("adp-mini").split("validation").positions[:40].copy()
    xyz[11] = -xyz[11]
    trajectory = mdtraj.Trajectory(xyz.copy(), mdtraj.load_topology(str(PDB)), time=3.0 + 0.5 * np.arange(40))
    trajectory.unitcell_lengths, trajectory.unitcell_angles = np.full((40, 3), 2.7), np.full((40, 3), 90.0)
    trajectory.xyz[5, 8:14, 0] += 2.7
    trajectory.xyz[30, 2, 1] -= 2.7
    trajectory.save(str(folder / "walk.trr"))
    return folder / "walk.trr", xyz


def test_every_figure_of_a_known_trajectory(walk):
    path, xyz = walk
    seen = inspect(path, PDB)
    assert (seen.frames, seen.atoms, seen.heavy_atoms, seen.boxed, seen.split_frames) == (40, 22, 10, True, 2)
    assert seen.spacing_ps == pytest.approx(0.5)
    assert (seen.alpha_carbons, seen.inverted_alpha_carbons) == (1, 1)
    assert seen.bonds_topology == 21
    heavy = mdtraj.load_topology(str(PDB)).select("element != H")
    rg = mdtraj.compute_rg(mdtraj.Trajectory(xyz[:, heavy], None), masses=np.ones(10))
    assert seen.rg_mean_nm == pytest.approx(rg.mean(), abs=1e-5)
    assert seen.rg_sd_nm == pytest.approx(rg.std(), abs=1e-5)
    assert (seen.rg_min_nm, seen.rg_max_nm) == pytest.approx((rg.min(), rg.max()), abs=1e-5)
    pairs = np.array([(a.index, b.index) for a, b in mdtraj.load_topology(str(PDB)).bonds])
    lengths = np.linalg.norm(xyz[:, pairs[:, 0]] - xyz[:, pairs[:, 1]], axis=2)
    assert seen.longest_bond_nm == pytest.approx(lengths.max(), abs=1e-5)
    assert seen.refused == ()


def test_inferred_bonds_as_pairwise_distances_give_them(walk):
    path, xyz = walk
    radii = np.array([0.023 if atom.element.symbol == "H" else 0.068 for atom in mdtraj.load_topology(str(PDB)).atoms])
    distances = np.linalg.norm(xyz[:, :, None] - xyz[:, None], axis=3)
    close = np.triu(distances < 1.3 * (radii[:, None] + radii), k=1)
    seen = inspect(path, PDB)
    assert seen.bonds_inferred == pytest.approx(close.sum() / 40)
    bonded = np.zeros((22, 22), dtype=bool)
    for a, b in mdtraj.load_topology(str(PDB)).bonds:
        bonded[min(a.index, b.index), max(a.index, b.index)] = True
    assert seen.bonds_lost == (bonded & ~close).sum(axis=(1, 2)).max()
    assert seen.bonds_extra == (close & ~bonded).sum(axis=(1, 2)).max()


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_turning_and_moving_frames_changes_no_figure(tmp_path_factory, walk, seed):
    rng = np.random.default_rng(seed)
    matrix, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    moved = walk[1] @ (matrix * np.sign(np.linalg.det(matrix))) + rng.normal(size=3)
    path = tmp_path_factory.mktemp("moved") / "m.npy"
    np.save(path, moved)
    still, turned = inspect(walk[0], PDB), inspect(path, PDB, unit="nm")
    assert turned.inverted_alpha_carbons == still.inverted_alpha_carbons
    assert turned.bonds_inferred == pytest.approx(still.bonds_inferred, abs=0.1)
    assert turned.rg_mean_nm == pytest.approx(still.rg_mean_nm, abs=1e-5)
    assert turned.spacing_ps is None


def test_a_file_that_breaks_off_is_measured_as_far_as_it_goes(walk, tmp_path):
    (tmp_path / "cut.trr").write_bytes(walk[0].read_bytes()[:-100])
    seen = inspect(tmp_path / "cut.trr", PDB)
    assert seen.frames == 39
    assert len(seen.refused) == 1
    assert "after frame 39" in seen.refused[0]


def test_frames_after_a_bad_one_are_refused_with_the_reason(walk, tmp_path):
    xyz = np.tile(walk[1], (10, 1, 1))
    xyz[250, 3] = np.inf
    np.save(tmp_path / "bad.npy", xyz)
    seen = inspect(tmp_path / "bad.npy", PDB, unit="nm")
    assert seen.frames == 200
    assert "frame 250 has a position that is not a finite number" in seen.refused[0]
    np.save(tmp_path / "all.npy", xyz[250:251])
    with pytest.raises(DataError, match="not a finite number"):
        inspect(tmp_path / "all.npy", PDB, unit="nm")


def test_times_that_mean_nothing_are_refused_as_a_series(walk, tmp_path):
    trajectory = mdtraj.load(str(walk[0]), top=str(PDB))
    trajectory.time = np.random.default_rng(0).permutation(40).astype(float)
    trajectory.save(str(tmp_path / "t.trr"))
    seen = inspect(tmp_path / "t.trr", PDB)
    assert seen.spacing_ps is None
    assert "not taken as a time series" in seen.refused[0]


def test_a_structure_is_its_own_topology():
    seen = inspect(PDB)
    assert (seen.frames, seen.bonds_topology, seen.bonds_inferred, seen.inverted_alpha_carbons) == (1, 21, 21.0, 0)
