from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from scipy.stats import wasserstein_distance

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.metrics import Frames, MetricContext
from backmapbench.metrics.velocity import CELL, Velocity


@pytest.fixture(scope="module")
def metric(make_context: Callable[..., MetricContext]) -> Velocity:
    return Velocity.fit(make_context())


def score(metric: Velocity, x: NDArray[np.floating], y: NDArray[np.floating]) -> dict[str, float]:
    return metric.value(metric.statistics(Frames(x[None]), Frames(y[None])))


def speeds(xyz: NDArray[np.floating]) -> NDArray[np.float64]:
    """The definition, at 1 ps frames."""
    return np.sqrt((np.diff(xyz.astype(np.float64), axis=0) ** 2).sum(-1).mean(-1))


def test_distances_are_those_of_scipy(metric: Velocity, make_frames: Callable[..., NDArray[np.float32]]) -> None:
    x, y = make_frames(200, 0), make_frames(150, 1, 0.01)
    scores = score(metric, x, y)
    factor = speeds(x).mean() / speeds(y).mean()
    assert scores["velocity_w1"] == pytest.approx(wasserstein_distance(speeds(x), speeds(y)), abs=CELL)
    assert scores["velocity_rescale_factor"] == pytest.approx(factor, rel=1e-2)
    rescaled = wasserstein_distance(speeds(x), factor * speeds(y))
    assert scores["velocity_w1_rescaled"] == pytest.approx(rescaled, abs=2 * CELL)


def test_variants_of_atoms_and_as_published_are_those_of_scipy(
    make_context: Callable[..., MetricContext],
    reference: Trajectories,
    make_frames: Callable[..., NDArray[np.float32]],
) -> None:
    metric = Velocity.fit(make_context(reference=Trajectories(reference.positions, reference.lengths, 2.0)))
    sides = make_frames(200, 0), make_frames(150, 1, 0.01)
    scores = score(metric, *sides)
    squares = [(np.diff(xyz.astype(np.float64), axis=0) ** 2).sum(-1) for xyz in sides]
    atoms = wasserstein_distance(*(np.sqrt(each).ravel() / 2.0 for each in squares))
    assert scores["velocity_w1_per_atom"] == pytest.approx(atoms, abs=CELL)
    # Mean over atoms of the squared half step, in square Angstrom and whatever the time between frames.
    published = wasserstein_distance(*((10**2 * each / 2**2).mean(axis=1) for each in squares))
    assert scores["velocity_w1_as_published"] == pytest.approx(published, rel=1e-2)


def test_slow_motion_is_seen_and_rescaling_undoes_it(metric: Velocity, rest: NDArray[np.float32]) -> None:
    steps = np.random.default_rng(0).normal(scale=0.02, size=(300, 22, 3))
    fast, slow = rest + np.cumsum(steps, axis=0), rest + np.cumsum(steps / 4, axis=0)
    scores = score(metric, fast, slow)
    assert scores["velocity_rescale_factor"] == pytest.approx(4, rel=1e-2)
    assert scores["velocity_w1"] == pytest.approx(0.75 * speeds(fast).mean(), rel=1e-2)
    assert scores["velocity_w1_rescaled"] < 2 * CELL * 4


def test_tumbling_is_seen_unless_superposed(metric: Velocity, frames: Frames) -> None:
    xyz = frames.xyz[0, :100].astype(np.float64)
    turns = Rotation.from_rotvec(np.linspace(0, 20, 100)[:, None] * [0.0, 0.6, 0.8]).as_matrix()
    scores = score(metric, xyz, np.einsum("fij,faj->fai", turns, xyz))
    assert scores["velocity_w1"] > 0.01
    assert scores["velocity_w1_superposed"] < CELL / 10


def test_frame_interval_divides(make_context: Callable[..., MetricContext], reference: Trajectories) -> None:
    doubled = Velocity.fit(make_context(reference=Trajectories(reference.positions, reference.lengths, 2.0)))
    single = Velocity.fit(make_context())
    other = reference.positions[::-1] * 1.5
    whole = score(single, reference.positions, other)["velocity_w1"]
    assert score(doubled, reference.positions, other)["velocity_w1"] == pytest.approx(whole / 2, abs=CELL)


def test_no_step_crosses_a_trajectory_end(metric: Velocity, frames: Frames) -> None:
    statistics = metric.statistics(frames, Frames(frames.xyz[:, :50]))
    assert statistics.reference["speeds"].sum() == frames.xyz.shape[1] - 1
    assert statistics.prediction["speeds"].sum() == 49


def test_errors_grow_with_noise(metric: Velocity, frames: Frames) -> None:
    noise = np.random.default_rng(1).normal(size=frames.xyz[0].shape)
    found = [score(metric, frames.xyz[0], frames.xyz[0] + sd * noise)["velocity_w1"] for sd in (0, 0.005, 0.01, 0.03)]
    assert found[0] == 0
    assert all(np.diff(found) > 0)
