from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import mdtraj
import numpy as np
import pytest
from deeptime.markov import TransitionCountEstimator

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import DataError
from backmapbench.metrics import Frames, MetricContext
from backmapbench.metrics.kinetics import UNDEFINED, StateSpace, reference_counts, state_space

KINETICS = {"states": 15, "lag_frames": 3}


@pytest.fixture(scope="module")
def context(make_context: Callable[..., MetricContext]) -> MetricContext:
    return make_context(kinetics=KINETICS)


@pytest.fixture(scope="module")
def space(context: MetricContext) -> StateSpace:
    return state_space(context, "test")


def test_frames_go_to_the_nearest_centre(space: StateSpace, topology: mdtraj.Topology, frames: Frames) -> None:
    trajectory = mdtraj.Trajectory(frames.xyz[0], topology)
    angles = mdtraj.compute_dihedrals(trajectory, space.features.quads).astype(np.float64)
    points = np.concatenate([np.cos(angles), np.sin(angles)], axis=1)
    distances = np.linalg.norm(points[:, None] - space.centres, axis=-1)
    found = distances[np.arange(len(points)), space.assign(frames)]
    np.testing.assert_allclose(found, distances.min(axis=1), atol=1e-4)
    assert len(np.unique(space.assign(frames))) == 15


def test_the_lag_is_in_picoseconds(context: MetricContext) -> None:
    fine = replace(context, reference=replace(context.reference, frame_ps=0.5), shared={})
    assert state_space(fine, "test").lag_ps == pytest.approx(3 * 0.5)


def test_raw_centres_are_angles(context: MetricContext, frames: Frames) -> None:
    raw = state_space(context, "test", periodic=False)
    assert raw.centres.shape == (15, 2)
    assert np.abs(raw.centres).max() <= np.pi


def test_counts_are_those_of_deeptime(space: StateSpace, reference: Trajectories) -> None:
    walks = [space.assign(Frames(part[None])) for part in reference]
    expected = TransitionCountEstimator(3, "sliding", n_states=15).fit_fetch(walks).count_matrix
    outside = ~(space.active[:, None] & space.active)
    expected[outside] = 0
    np.testing.assert_array_equal(space.total(reference), expected)


def test_fit_is_shared_and_repeatable(
    context: MetricContext, space: StateSpace, make_context: Callable[..., MetricContext]
) -> None:
    assert state_space(context, "other") is space
    assert reference_counts(context, space) is reference_counts(context, space)
    np.testing.assert_array_equal(state_space(make_context(kinetics=KINETICS), "test").centres, space.centres)
    other = state_space(make_context(kinetics={**KINETICS, "seed": 1}), "test")
    assert not np.array_equal(other.centres, space.centres)


def test_undefined_frames_enter_no_transition(space: StateSpace, frames: Frames) -> None:
    xyz = frames.xyz[:, :20].copy()
    xyz[0, 8] = np.nan
    xyz[0, 9] = 0.0
    broken = Frames(xyz)
    assert np.flatnonzero(space.assign(broken) == UNDEFINED).tolist() == [8, 9]
    walk = space.assign(Frames(frames.xyz[:, :20]))
    whole = {(t - 3, t) for t in range(3, 20)} - {(5, 8), (6, 9), (8, 11), (9, 12)}
    expected = np.zeros((15, 15))
    for early, late in whole:
        expected[walk[early], walk[late]] += space.active[walk[early]] and space.active[walk[late]]
    np.testing.assert_array_equal(space.transitions(broken), expected)
    assert space.census(broken)[:2].tolist() == [20, 2]


def test_basin_that_is_never_left_is_inactive(
    make_context: Callable[..., MetricContext], reference: Trajectories
) -> None:
    reflected = reference.positions[:100] * np.array([-1, 1, 1], dtype=np.float32)
    mirrored = np.concatenate([reference.positions, reflected])
    whole = Trajectories(mirrored, (*reference.lengths, 100), 1.0)
    lone = make_context(reference=whole, kinetics={**KINETICS, "states": 30})
    space = state_space(lone, "test")
    assert 0 < space.active.sum() < 30
    stay = Frames(mirrored[None, 400:])
    frames, undefined, outside = space.census(stay)
    assert (frames, undefined) == (100, 0)
    assert outside > 0
    assert space.transitions(stay).sum() < 97


def test_more_states_than_frames_are_refused(make_context: Callable[..., MetricContext]) -> None:
    with pytest.raises(DataError, match=r"kinetics\.states = 500"):
        state_space(make_context(kinetics={"states": 500}), "test")
