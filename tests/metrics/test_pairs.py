"""Close pairs: tree and direct comparison agree bit for bit, and with a plain definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from backmapbench.metrics.pairs import close_pairs


def found(xyz: NDArray, cutoff: float, dense_atoms: int) -> list[tuple[int, int, int, float]]:
    pairs = close_pairs(xyz, cutoff, dense_atoms)
    return list(
        zip(*(column.tolist() for column in (pairs.frame, pairs.first, pairs.second, pairs.squared)), strict=True)
    )


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    frames=st.integers(0, 4),
    atoms=st.integers(1, 40),
    cutoff=st.floats(0.01, 1.5),
    grid=st.sampled_from([0.0, 0.1, 0.25]),
)
def test_tree_and_direct_comparison_agree(seed: int, frames: int, atoms: int, cutoff: float, grid: float) -> None:
    xyz = np.random.default_rng(seed).normal(scale=0.5, size=(frames, atoms, 3)).astype(np.float32)
    if grid:  # many atoms then coincide, and many distances lie exactly at a cutoff
        xyz, cutoff = np.round(xyz / grid) * np.float32(grid), max(grid, round(cutoff / grid) * grid)
    direct = found(xyz, cutoff, dense_atoms=64)
    assert found(xyz, cutoff, dense_atoms=0) == direct
    plain = [
        (t, i, j)
        for t in range(frames)
        for i, j in itertools.combinations(range(atoms), 2)
        if ((xyz[t, i].astype(float) - xyz[t, j]) ** 2).sum() < cutoff**2
    ]
    assert [pair[:3] for pair in direct] == plain


@pytest.mark.parametrize("dense_atoms", [0, 64])
def test_strictly_closer(dense_atoms: int) -> None:
    xyz = np.array([[[0, 0, 0], [0.5, 0, 0]]])
    assert found(xyz, 0.5, dense_atoms) == []
    assert found(xyz, 0.5000001, dense_atoms) == [(0, 0, 1, 0.25)]


@pytest.mark.parametrize("dense_atoms", [0, 64])
def test_coincident_atoms_are_all_pairs(dense_atoms: int) -> None:
    pairs = close_pairs(np.full((3, 30, 3), 0.7), 0.1, dense_atoms)
    assert np.bincount(pairs.frame).tolist() == [435, 435, 435]
    assert (pairs.first < pairs.second).all()


@pytest.mark.parametrize("dense_atoms", [0, 64])
def test_atoms_nowhere_are_close_to_none(dense_atoms: int) -> None:
    xyz = np.zeros((2, 4, 3))
    xyz[0, 0] = np.nan
    xyz[0, 1] = xyz[0, 2] = np.inf
    assert [pair[:3] for pair in found(xyz, 1.0, dense_atoms)] == [
        (1, i, j) for i, j in itertools.combinations(range(4), 2)
    ]


def test_blocks_of_frames_keep_their_numbers() -> None:
    xyz = np.zeros((9000, 20, 3))  # more than one block
    xyz[..., 0] = np.arange(20)
    xyz[[0, 4321, 8999], 1, 0] = 0.5
    assert [pair[:3] for pair in found(xyz, 0.75, 64)] == [(t, 0, 1) for t in (0, 4321, 8999)]
