"""Radius of gyration: MDTraj and scipy as oracles, closed forms."""

from __future__ import annotations

from collections.abc import Callable

import mdtraj
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.metrics import Frames
from backmapbench.metrics.base import MetricContext
from backmapbench.metrics.radius_of_gyration import RadiusOfGyration, radii

Evaluate = Callable[..., dict[str, float]]
ID = "rg_w1_angstrom"


@pytest.fixture(scope="module")
def metric(make_context: Callable[..., MetricContext]) -> RadiusOfGyration:
    return RadiusOfGyration.fit(make_context())


def test_radii_are_those_of_mdtraj(peptide_context: MetricContext) -> None:
    heavy = RadiusOfGyration.fit(peptide_context).heavy
    xyz = peptide_context.reference.positions[:, heavy]
    expected = mdtraj.compute_rg(mdtraj.Trajectory(xyz, peptide_context.topology.subset(heavy)))
    np.testing.assert_allclose(radii(xyz), expected, rtol=1e-6)


def test_distance_is_that_of_scipy(
    metric: RadiusOfGyration,
    topology: mdtraj.Topology,
    reference: Trajectories,
    make_frames: Callable[..., NDArray[np.float32]],
) -> None:
    other = make_frames(150, 5) * np.float32(1.02)
    sides = [
        mdtraj.compute_rg(mdtraj.Trajectory(xyz[:, metric.heavy], topology.subset(metric.heavy)))
        for xyz in (reference.positions, other)
    ]
    found = metric.value(metric.statistics(Frames(reference.positions[None]), Frames(other[None])))
    assert found[ID] == pytest.approx(10 * wasserstein_distance(*sides), abs=3e-4)
    assert found["rg_median_shift_angstrom"] == pytest.approx(
        10 * (np.median(sides[1]) - np.median(sides[0])), abs=5e-3
    )


def test_swelling_in_closed_form(metric: RadiusOfGyration, reference: Trajectories, evaluate: Evaluate) -> None:
    mean, median = (function(radii(reference.positions[:, metric.heavy])) for function in (np.mean, np.median))
    scores = evaluate(metric, reference.positions, 1.25 * reference.positions.astype(np.float64))
    assert scores[ID] == pytest.approx(2.5 * mean, rel=1e-3)
    assert scores["rg_median_shift_angstrom"] == pytest.approx(2.5 * median, rel=1e-3)
    assert evaluate(metric, reference.positions, reference.positions * 0)[ID] == pytest.approx(10 * mean, rel=1e-3)


def test_hydrogens_do_not_count(metric: RadiusOfGyration, reference: Trajectories, evaluate: Evaluate) -> None:
    moved = reference.positions.copy()
    moved[:, np.setdiff1d(np.arange(22), metric.heavy)] *= 9
    assert evaluate(metric, reference.positions, moved)[ID] == 0.0


@pytest.mark.parametrize("place", [np.nan, np.inf, 1e9])
def test_anything_too_large_counts_as_a_hundred_nanometres(
    metric: RadiusOfGyration, reference: Trajectories, evaluate: Evaluate, place: float
) -> None:
    moved = reference.positions.astype(np.float64)
    moved[:, 4] = place
    mean = radii(reference.positions[:, metric.heavy]).mean()
    assert evaluate(metric, reference.positions, moved)[ID] == pytest.approx(10 * (100.0 - mean), abs=1e-2)
