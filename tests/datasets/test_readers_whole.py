"""Molecules cut by a periodic box, made whole."""

import mdtraj
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backmapbench.datasets.catalogue import ROOT
from backmapbench.datasets.readers import make_whole, read_topology
from backmapbench.errors import DataError

ADP = read_topology(ROOT / "recipes" / "ace-ala-nme.pdb")
XYZ = mdtraj.load(str(ROOT / "recipes" / "ace-ala-nme.pdb")).xyz[0].astype(np.float64)
CELLS = {
    "cubic": np.eye(3) * 2.7,
    "slab": np.diag([0.9, 2.0, 5.0]),
    "truncated octahedron": np.array([[2.6, 0, 0], [0.867, 2.451, 0], [-0.867, 1.226, 2.123]]),
    "strongly skewed": np.array([[1.5, 0, 0], [1.4, 1.2, 0], [-1.3, 1.1, 1.6]]),
}


def rotation(rng):
    matrix, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return matrix * np.sign(np.linalg.det(matrix))


@settings(max_examples=60)
@given(st.sampled_from(sorted(CELLS)), st.integers(0, 2**32 - 1), st.booleans())
def test_wrapping_is_undone_up_to_a_translation(cell, seed, turn):
    """Any atom in any image: whole again, with the first atom where it was put."""
    rng = np.random.default_rng(seed)
    box = CELLS[cell] @ rotation(rng) if turn else CELLS[cell]
    original = XYZ @ rotation(rng).T
    boxes = np.stack([box, 1.1 * box])
    images = rng.integers(-2, 3, size=(2, 22, 3))
    wrapped = original + images @ boxes
    whole = make_whole(wrapped, boxes, ADP)
    expected = original + images[:, :1] @ boxes
    assert np.abs(whole - expected).max() < 1e-5
    assert whole.dtype == np.float32


def test_wrapping_into_the_cell_is_undone():
    box = CELLS["cubic"][None]
    shifted = XYZ - XYZ[8]  # the alpha carbon at the corner, so all eight octants hold atoms
    wrapped = shifted % 2.7
    assert len({tuple(octant) for octant in wrapped > 1.35}) > 4
    whole = make_whole(wrapped[None], box, ADP)[0]
    assert np.abs((whole - whole[8]) - shifted).max() < 1e-5


def test_making_whole_twice_changes_nothing_more():
    rng = np.random.default_rng(0)
    box = np.repeat(CELLS["truncated octahedron"][None], 5, axis=0)
    once = make_whole(XYZ + rng.integers(-1, 2, size=(5, 22, 3)) @ box, box, ADP)
    assert np.abs(make_whole(once, box, ADP) - once).max() < 1e-6


def test_as_mdtraj_makes_molecules_whole():
    rng = np.random.default_rng(2)
    box = np.repeat(CELLS["cubic"][None], 4, axis=0)
    wrapped = (XYZ + rng.integers(-1, 2, size=(4, 22, 3)) @ box).astype(np.float32)
    oracle = mdtraj.Trajectory(wrapped, ADP)
    oracle.unitcell_vectors = box.astype(np.float32)
    oracle.make_molecules_whole(inplace=True)
    ours = make_whole(wrapped, box, ADP)
    assert np.abs((ours - ours[:, :1]) - (oracle.xyz - oracle.xyz[:, :1])).max() < 1e-5


def test_many_frames_in_several_parts_are_as_frames_alone(monkeypatch):
    monkeypatch.setattr("backmapbench.datasets.readers.whole.FRAMES_AT_ONCE", 3)
    rng = np.random.default_rng(5)
    boxes = CELLS["cubic"] * rng.uniform(1, 1.1, size=(8, 1, 1))
    wrapped = XYZ + rng.integers(-1, 2, size=(8, 22, 3)) @ boxes
    together = make_whole(wrapped, boxes, ADP)
    assert all((make_whole(wrapped[k : k + 1], boxes[k : k + 1], ADP)[0] == together[k]).all() for k in range(8))


def test_the_input_is_not_changed_and_no_box_changes_nothing():
    positions = XYZ[None].astype(np.float32)
    kept = positions.copy()
    assert (make_whole(positions, None, ADP) == kept).all()
    assert (make_whole(positions, np.zeros((1, 3, 3)), ADP) == kept).all()
    wrapped = positions.copy()
    wrapped[0, 3, 1] += 2.7
    before = wrapped.copy()
    make_whole(wrapped, CELLS["cubic"][None], ADP)
    assert (wrapped == before).all()


@pytest.mark.parametrize(
    ("box", "change", "message"),
    [
        (None, 2.7, r"frame 0: .* bonded but .* apart \(at most 0.500 nm"),
        (np.eye(3) * 0.25, 0.0, r"frame 0: .* 0.133 nm apart \(at most 0.125 nm"),
        (np.array([[1.0, 0, 0], [0, 1, 0], [1, 1, 0]]), 0.0, "has no volume"),
    ],
    ids=["no box", "a box shorter than bonds", "a flat box"],
)
def test_what_cannot_be_whole_is_refused(box, change, message):
    positions = XYZ[None].copy()
    positions[0, 3, 0] += change
    with pytest.raises(DataError, match=message):
        make_whole(positions, None if box is None else box[None], ADP)


def test_shapes_that_disagree_are_refused():
    with pytest.raises(DataError, match=r"are not \(frames, 22, 3\)"):
        make_whole(XYZ[None, :5], None, ADP)
    with pytest.raises(DataError, match=r"expected \(1, 3, 3\)"):
        make_whole(XYZ[None], np.eye(3), ADP)
    broken = XYZ[None].copy()
    broken[0, 4] = np.nan
    with pytest.raises(DataError, match="apart"):
        make_whole(broken, None, ADP)
