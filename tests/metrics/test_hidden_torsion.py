from __future__ import annotations

from collections.abc import Callable

import mdtraj
import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from backmapbench.metrics import Frames, MetricContext, Statistics
from backmapbench.metrics.hidden_torsion import HiddenTorsion


@pytest.fixture(scope="module")
def metric(make_context: Callable[..., MetricContext]) -> HiddenTorsion:
    return HiddenTorsion.fit(make_context(bins=36))


def test_distance_is_that_of_scipy_on_mdtraj_torsions(
    metric: HiddenTorsion, topology: mdtraj.Topology, frames: Frames, make_frames: Callable[..., np.ndarray]
) -> None:
    other = make_frames(300, 8)
    angles = [mdtraj.compute_dihedrals(mdtraj.Trajectory(x, topology), metric.quads) for x in (frames.xyz[0], other)]
    edges = np.linspace(-np.pi, np.pi, 37)
    p, q = ([np.histogram(column, edges)[0] + 0.5 for column in side.T] for side in angles)
    expected = np.mean([jensenshannon(a, b, base=2) for a, b in zip(p, q, strict=True)])
    scores = metric.value(metric.statistics(frames, Frames(other[None])))
    assert scores["hidden_torsion_jsd"] == pytest.approx(expected, abs=2e-3)  # mdtraj angles are float32
    assert scores["hidden_torsion_undefined_percent"] == 0


def test_undefined_torsions_are_worst(metric: HiddenTorsion, frames: Frames) -> None:
    collapsed = Frames(np.zeros_like(frames.xyz))
    scores = metric.value(metric.statistics(frames, collapsed))
    assert scores["hidden_torsion_undefined_percent"] == 100
    assert scores["hidden_torsion_jsd"] > 0.95
    counts = metric.statistics(collapsed, collapsed).prediction["counts"]
    assert counts[:, :-1].sum() == 0
    assert (counts[:, -1] == 400).all()


def test_error_grows_with_the_share_undefined(metric: HiddenTorsion, frames: Frames) -> None:
    errors = []
    for share in (0, 50, 200, 400):
        xyz = frames.xyz.copy()
        xyz[0, :share] = 0.0
        errors.append(metric.value(metric.statistics(frames, Frames(xyz)))["hidden_torsion_jsd"])
    assert errors[0] == 0
    assert all(np.diff(errors) > 0)


def test_half_a_turn_lies_in_the_first_bin(metric: HiddenTorsion) -> None:
    plane = np.array([[1.0, 1, 0], [0, 0, 0], [2, 0, 0], [1, -1, 0]])  # trans: the angle is pi, the range is half open
    lone = HiddenTorsion(np.array([[0, 1, 2, 3]]), 36)
    counts = lone.statistics(Frames(plane[None, None]), Frames(plane[None, None])).reference["counts"]
    assert counts[0, 0] + counts[0, 35] == 1
    assert counts[0, 36] == 0


def test_errors_grow_with_noise(metric: HiddenTorsion, frames: Frames) -> None:
    noise = np.random.default_rng(1).normal(size=frames.xyz.shape)
    errors = [
        metric.value(metric.statistics(frames, Frames(frames.xyz + sd * noise)))["hidden_torsion_jsd"]
        for sd in (0, 0.003, 0.01, 0.03)
    ]
    assert errors[0] == 0
    assert all(np.diff(errors) > 0)


def test_no_frames_no_score(metric: HiddenTorsion) -> None:
    empty = {"counts": np.zeros((10, 37))}
    assert np.isnan(metric.value(Statistics(empty, empty))["hidden_torsion_jsd"])
