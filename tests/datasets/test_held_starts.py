"""Start frames with all atoms: as stored, from the run that made them, or with hydrogens rebuilt."""

import json
from dataclasses import replace

import mdtraj
import numpy as np
import pytest

from backmapbench.datasets import codec
from backmapbench.datasets.catalogue import Dataset, load_dataset
from backmapbench.datasets.simulation.held_files import write_start
from backmapbench.datasets.simulation.held_starts import match, simulated_recipe, start_frames
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import DataError
from backmapbench.files import sha256

PICKED = np.array([1, 4])


@pytest.fixture(scope="module")
def full():
    return load_dataset("adp-mini")


@pytest.fixture(scope="module")
def start(full, tmp_path_factory):
    return write_start(simulated_recipe(full), tmp_path_factory.mktemp("start"))


@pytest.fixture(scope="module")
def run(full, tmp_path_factory):
    """A run folder with two trajectories of three frames, as `simulate` leaves them."""
    folder = tmp_path_factory.mktemp("run")
    positions = full.split("test").positions
    for number in range(2):
        home = folder / f"traj-{number:04d}"
        home.mkdir()
        np.save(home / "part-0000.npy", positions[1000 * number : 1000 * number + 3])
    return folder


def stored(full, run, folder, kept):
    """The run's frames as a dataset that stores the atoms ``kept`` alone."""
    mdtraj.load(str(full.topology_path)).atom_slice(kept).save_pdb(str(folder / "topology.pdb"))
    frames = np.concatenate([np.load(run / f"traj-{number:04d}/part-0000.npy") for number in range(2)])[:, kept]
    codec.write(folder / "test.npz", Trajectories(frames, (3, 3), 1.0), np.full(len(kept), -1, np.int32), 0.0002)

    def entry(name):
        return {"path": name, "sha256": sha256(folder / name), "bytes": (folder / name).stat().st_size}

    card = full.card.model_dump() | {
        "atoms": len(kept),
        "topology": entry("topology.pdb"),
        "splits": {"test": entry("test.npz") | {"trajectories": 2, "frames": 6, "sources": [0, 1]}},
        "conditional": {},
    }
    return Dataset(type(full.card).model_validate(json.loads(json.dumps(card))), folder)


@pytest.fixture(scope="module")
def heavy(full, run, tmp_path_factory):
    kept = [atom.index for atom in full.topology.atoms if atom.element.symbol != "H"]
    return stored(full, run, tmp_path_factory.mktemp("heavy"), kept)


def raw(run):
    return np.concatenate([np.load(run / f"traj-{number:04d}/part-0000.npy") for number in range(2)])[PICKED]


def test_frames_with_all_atoms_are_taken_as_stored(full, start):
    solute = match(full, start)
    found = start_frames(full, simulated_recipe(full), "test", np.array([3, 700]), solute)
    np.testing.assert_array_equal(found, full.split("test").positions[[3, 700]].astype(np.float64))


def test_hydrogens_come_from_the_run_where_it_is_given(heavy, run, start):
    solute = match(heavy, start)
    found = start_frames(heavy, simulated_recipe(heavy), "test", PICKED, solute, run)
    np.testing.assert_array_equal(found[:, solute.kept], heavy.split("test").positions[PICKED].astype(np.float64))
    np.testing.assert_allclose(found, raw(run), atol=0.0002)


def test_hydrogens_are_rebuilt_without_the_run(heavy, run, start):
    solute = match(heavy, start)
    found = start_frames(heavy, simulated_recipe(heavy), "test", PICKED, solute)
    np.testing.assert_array_equal(found[:, solute.kept], heavy.split("test").positions[PICKED].astype(np.float64))
    bonds = np.array([(a.index, b.index) for a, b in mdtraj.load_topology(str(start)).bonds])
    lengths, true = (np.linalg.norm(xyz[:, bonds[:, 0]] - xyz[:, bonds[:, 1]], axis=-1) for xyz in (found, raw(run)))
    np.testing.assert_allclose(lengths, true, atol=0.02)


def test_weights_are_widened_to_all_simulated_atoms(heavy, full, start):
    solute = match(heavy, start)
    weights = np.random.default_rng(0).random((3, heavy.card.atoms))
    wide = solute.widen(weights)
    xyz = full.split("test").positions[:2].astype(np.float64)
    np.testing.assert_allclose(wide @ xyz, weights @ xyz[:, solute.kept], atol=1e-12)


def test_another_run_is_refused(heavy, run, start, tmp_path):
    for number in range(2):
        home = tmp_path / f"traj-{number:04d}"
        home.mkdir()
        np.save(home / "part-0000.npy", np.load(run / home.name / "part-0000.npy") + 0.01)
    with pytest.raises(DataError, match=r"frames are 0\.01.* nm off dataset 'adp-mini'"):
        start_frames(heavy, simulated_recipe(heavy), "test", PICKED, match(heavy, start), tmp_path)


def test_missing_heavy_atoms_need_the_run(full, run, start, tmp_path):
    kept = [atom.index for atom in full.topology.atoms if atom.residue.name != "NME"]
    capless = stored(full, run, tmp_path, kept)
    solute = match(capless, start)
    with pytest.raises(DataError, match="give the run that made them"):
        start_frames(capless, simulated_recipe(capless), "test", PICKED, solute)
    found = start_frames(capless, simulated_recipe(capless), "test", PICKED, solute, run)
    np.testing.assert_allclose(found, raw(run), atol=0.0002)


def test_another_molecule_and_data_without_a_recipe_are_refused(full, tmp_path):
    other = tmp_path / "other.pdb"
    mdtraj.load(str(full.topology_path)).atom_slice(range(10)).save_pdb(str(other))
    with pytest.raises(DataError, match=r"lacks atoms of dataset 'adp-mini'"):
        match(full, other)
    bare = replace(full, card=full.card.model_copy(update={"provenance": {}}))
    with pytest.raises(DataError, match="no recipe made it"):
        simulated_recipe(bare)
