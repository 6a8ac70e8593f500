"""Storing positions on a grid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backmapbench.datasets import codec
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import DataError


@st.composite
def molecules(draw):
    """Random forests of bonds with positions: chains, rings broken by the tree, several molecules."""
    atoms = draw(st.integers(1, 9))
    bonds = draw(st.lists(st.tuples(st.integers(0, atoms - 1), st.integers(0, atoms - 1)), max_size=12))
    lengths = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    positions = rng.uniform(-0.9, 0.9, size=(sum(lengths), atoms, 3)).astype(np.float32)
    return [(a, b) for a, b in bonds if a != b], Trajectories(positions, lengths, 1.0)


@settings(max_examples=60, deadline=None)
@given(molecules(), st.sampled_from([1e-4, 2e-4, 1e-3]))
def test_reading_gives_what_was_written_to_half_a_quantum(tmp_path_factory, molecule, quantum):
    bonds, data = molecule
    path = tmp_path_factory.mktemp("codec") / "x.npz"
    codec.write(path, data, codec.spanning_tree(bonds, data.positions.shape[1]), quantum)
    again = codec.read(path)
    assert again.lengths == data.lengths
    assert again.frame_ps == data.frame_ps
    assert np.abs(again.positions - data.positions).max() <= quantum / 2 + 1e-6


def test_writing_twice_gives_the_same_bytes(tmp_path):
    data = Trajectories(np.random.default_rng(0).normal(size=(50, 4, 3)).astype(np.float32), (20, 30), None)
    parents = codec.spanning_tree([(0, 1), (1, 2), (2, 3)], 4)
    for name in ("a", "b"):
        codec.write(tmp_path / name, data, parents, 2e-4)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert codec.read(tmp_path / "a").frame_ps is None


def test_spanning_tree_of_a_branched_molecule_and_an_ion():
    assert list(codec.spanning_tree([(0, 1), (1, 2), (1, 3), (3, 0)], 5)) == [-1, 0, 1, 0, -1]


def test_distances_too_long_for_the_grid_are_refused(tmp_path):
    far = Trajectories(np.array([[[0.0, 0, 0], [50.0, 0, 0]]], dtype=np.float32), (1,), 1.0)
    with pytest.raises(DataError, match="make the molecule whole"):
        codec.write(tmp_path / "far.npz", far, codec.spanning_tree([(0, 1)], 2), 2e-4)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["truncate", "flip", "text", "empty"])
def test_damaged_files_are_one_clear_error(tmp_path, damage):
    path = tmp_path / "x.npz"
    data = Trajectories(np.zeros((400, 4, 3), dtype=np.float32) + np.arange(4)[:, None], (400,), 1.0)
    codec.write(path, data, codec.spanning_tree([], 4), 2e-4)
    content = path.read_bytes()
    changed = {
        "truncate": content[: len(content) // 2],
        "flip": content[:100] + bytes([content[100] ^ 255]) + content[101:],
        "text": b"hello",
        "empty": b"",
    }[damage]
    path.write_bytes(changed)
    with pytest.raises(DataError, match=r"x\.npz"):
        codec.read(path)


def test_trajectories_refuse_lengths_that_do_not_fit():
    with pytest.raises(DataError, match="do not cut"):
        Trajectories(np.zeros((3, 2, 3), dtype=np.float32), (1, 1), 1.0)
    with pytest.raises(DataError, match="shape"):
        Trajectories(np.zeros((3, 2), dtype=np.float32), (3,), 1.0)
