"""Bond angles: MDTraj's angles and scipy's Wasserstein distance as oracles, closed forms, undefined angles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import mdtraj
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import CardError, DataError
from backmapbench.metrics import Frames
from backmapbench.metrics.angle import Angle
from backmapbench.metrics.base import MetricContext
from backmapbench.metrics.geometry import angles

Evaluate = Callable[..., dict[str, float]]
ID, UNDEFINED = "angle_w1_degree", "angle_undefined_percent"


@pytest.fixture(scope="module")
def metric(make_context: Callable[..., MetricContext]) -> Angle:
    return Angle.fit(make_context())


@pytest.fixture(scope="module")
def water(make_context: Callable[..., MetricContext], make_topology: Callable[..., mdtraj.Topology]) -> Angle:
    """H-O-H: one angle."""
    topology = make_topology([[("HOH", "O H1 H2")]], bonds=[(0, 1), (0, 2)])
    return Angle.fit(replace(make_context(), topology=topology))


def bent(*degrees: float) -> NDArray[np.float64]:
    """Frames of H-O-H with these angles."""
    theta = np.radians(degrees)
    frames = np.zeros((len(degrees), 3, 3))
    frames[:, 1, 0] = 0.1
    frames[:, 2] = 0.1 * np.stack([np.cos(theta), np.sin(theta), np.zeros(len(degrees))], axis=1)
    return frames


def test_classes_cover_every_angle_once(metric: Angle, topology: mdtraj.Topology) -> None:
    around = [
        [b.index if a is atom else a.index for a, b in topology.bonds if atom in (a, b)] for atom in topology.atoms
    ]
    assert sum(len(triples) for triples in metric.classes.values()) == sum(
        len(found) * (len(found) - 1) // 2 for found in around
    )
    assert list(metric.classes) == sorted(metric.classes)
    for name, triples in metric.classes.items():
        for triple in triples:
            symbols = [topology.atom(int(atom)).element.symbol for atom in triple]
            assert name in ("-".join(symbols), "-".join(reversed(symbols)))
            assert {int(triple[0]), int(triple[2])} <= set(around[triple[1]])
    assert "C-N-H" in metric.classes
    assert "H-N-C" not in metric.classes


def test_angles_are_those_of_mdtraj(metric: Angle, topology: mdtraj.Topology, reference: Trajectories) -> None:
    triples = np.concatenate(list(metric.classes.values()))
    expected = mdtraj.compute_angles(mdtraj.Trajectory(reference.positions, topology), triples, periodic=False)
    np.testing.assert_allclose(angles(reference.positions, triples), np.degrees(expected), atol=2e-2)


@pytest.mark.parametrize("degrees", [0.0, 1e-4, 30.0, 90.0, 109.5, 179.9999, 180.0])
def test_angles_in_closed_form(degrees: float) -> None:
    assert angles(bent(degrees), np.array([[1, 0, 2]]))[0, 0] == pytest.approx(degrees, abs=2e-6)


def test_distance_is_that_of_scipy_on_raw_angles(
    metric: Angle, reference: Trajectories, make_frames: Callable[..., NDArray[np.float32]], evaluate: Evaluate
) -> None:
    other = make_frames(150, 5, 0.02)
    total = sum(
        len(triples)
        * wasserstein_distance(angles(reference.positions, triples).ravel(), angles(other, triples).ravel())
        for triples in metric.classes.values()
    )
    expected = total / sum(len(triples) for triples in metric.classes.values())
    found = metric.value(metric.statistics(Frames(reference.positions[None]), Frames(other[None])))
    assert found[ID] == pytest.approx(expected, abs=2e-3)
    assert found[UNDEFINED] == 0.0
    assert expected > 1.0


def test_a_shift_of_the_angle_is_the_distance(water: Angle, evaluate: Evaluate) -> None:
    assert evaluate(water, bent(104.5), bent(109.5))[ID] == pytest.approx(5.0, abs=1e-2)
    assert evaluate(water, bent(100.0, 110.0), bent(110.0, 100.0))[ID] == 0.0


@pytest.mark.parametrize(("expected", "worst"), [(104.5, 104.5), (60.0, 120.0)])
def test_undefined_angles_count_as_the_farther_end(
    water: Angle, evaluate: Evaluate, expected: float, worst: float
) -> None:
    on_a_point, nowhere = np.zeros((1, 3, 3)), np.full((1, 3, 3), np.nan)
    for broken in (on_a_point, nowhere):
        assert evaluate(water, bent(expected), broken) == pytest.approx({ID: worst, UNDEFINED: 100.0}, abs=1e-2)
    half = np.concatenate([bent(expected), on_a_point])
    found = evaluate(water, bent(expected, expected), half)
    assert found == pytest.approx({ID: worst / 2, UNDEFINED: 50.0}, abs=1e-2)


def test_an_undefined_angle_of_the_reference_is_no_error_of_its_own(water: Angle, evaluate: Evaluate) -> None:
    frames = np.concatenate([bent(100.0), np.zeros((1, 3, 3))])
    assert evaluate(water, frames, frames)[ID] == 0.0


def test_molecules_without_angles_are_refused(
    make_context: Callable[..., MetricContext], make_topology: Callable[..., mdtraj.Topology]
) -> None:
    with pytest.raises(CardError, match="two bonds"):
        Angle.fit(replace(make_context(), topology=make_topology([[("MOL", "C1 C2")]], bonds=[(0, 1)])))
    with pytest.raises(DataError, match="no bonds"):
        Angle.fit(replace(make_context(), topology=make_topology([[("MOL", "C1 C2")]])))
