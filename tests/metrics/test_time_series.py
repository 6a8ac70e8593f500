from __future__ import annotations

import itertools

import mdtraj
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from backmapbench.metrics import Frames
from backmapbench.metrics.time_series import frame_steps, lagged, torsion_series


@given(st.integers(1, 30), st.integers(0, 12), st.data())
def test_chunks_share_out_all_pairs_once(length: int, lag: int, data: st.DataObject) -> None:
    series = np.arange(length)
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, length - 1)), max_size=4)))
    edges = [0, *(cut for cut in cuts if cut < length), length]
    pairs = []
    for start, stop in itertools.pairwise(edges):
        lead = min(start, lag + data.draw(st.integers(0, 3)))
        pairs += list(zip(*lagged(series[start - lead : stop], lead, lag), strict=True))
    assert [(int(a), int(b)) for a, b in pairs] == [(t - lag, t) for t in range(lag, length)]


def test_torsions_are_those_of_mdtraj(topology: mdtraj.Topology, frames: Frames) -> None:
    quads = np.array([[4, 6, 8, 14], [6, 8, 14, 16], [0, 1, 4, 6]])
    expected = mdtraj.compute_dihedrals(mdtraj.Trajectory(frames.xyz[0], topology), quads)
    difference = np.angle(np.exp(1j * (torsion_series(frames, quads) - expected)))
    assert np.abs(difference).max() < 1e-4


def test_step_of_a_rigid_shift_is_its_length(rest: NDArray[np.float32]) -> None:
    xyz = rest.astype(np.float64) + np.array([[[0.0, 0, 0]], [[0.03, 0.04, 0]], [[0.03, 0.04, 0.12]]])
    np.testing.assert_allclose(frame_steps(Frames(xyz[None])), [0.05, 0.12])
    np.testing.assert_allclose(frame_steps(Frames(xyz[None]), superposed=True), 0, atol=1e-12)
    np.testing.assert_allclose(frame_steps(Frames(xyz[None], 2)), [0.12])
    assert len(frame_steps(Frames(xyz[None, :1]))) == 0


def test_superposed_steps_are_rmsds_of_mdtraj(topology: mdtraj.Topology, frames: Frames) -> None:
    turns = Rotation.random(20, random_state=0).as_matrix()
    xyz = np.einsum("fij,faj->fai", turns, frames.xyz[0, :20]).astype(np.float32)
    trajectory = mdtraj.Trajectory(xyz, topology)
    expected = [mdtraj.rmsd(trajectory[i + 1], trajectory[i])[0] for i in range(19)]
    np.testing.assert_allclose(frame_steps(Frames(xyz[None]), superposed=True), expected, atol=2e-5)


def test_steps_at_coordinates_that_are_no_numbers_are_nan(frames: Frames) -> None:
    xyz = frames.xyz[:, :5].copy()
    xyz[0, 2, 0, 0] = np.nan
    for superposed in (False, True):
        assert np.isnan(frame_steps(Frames(xyz), superposed)).tolist() == [False, True, True, False]


@pytest.mark.parametrize("superposed", [False, True])
def test_steps_grow_with_noise(frames: Frames, superposed: bool) -> None:
    noise = np.random.default_rng(1).normal(size=frames.xyz.shape)
    means = [frame_steps(Frames(frames.xyz + sd * noise), superposed).mean() for sd in (0, 0.005, 0.01, 0.03)]
    assert all(np.diff(means) > 0)
