"""Bond lengths: scipy's Wasserstein distance on the raw lengths as oracle, closed forms, and the ceiling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import mdtraj
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import DataError
from backmapbench.metrics.base import MetricContext
from backmapbench.metrics.bond_length import BondLength
from backmapbench.metrics.frames import Frames

Evaluate = Callable[..., dict[str, float]]
ID = "bond_length_w1_angstrom"


@pytest.fixture(scope="module")
def metric(make_context: Callable[..., MetricContext]) -> BondLength:
    return BondLength.fit(make_context())


@pytest.fixture(scope="module")
def pair(make_context: Callable[..., MetricContext], make_topology: Callable[..., mdtraj.Topology]) -> BondLength:
    """H-C-O: one bond of each of two classes."""
    topology = make_topology([[("MOL", "H C O")]], bonds=[(0, 1), (2, 1)])
    return BondLength.fit(replace(make_context(), topology=topology))


def line(*lengths: tuple[float, float]) -> NDArray[np.float64]:
    """Frames of H-C-O on a line with C-H and C-O bonds of these lengths, nm."""
    return np.array([[[-ch, 0, 0], [0, 0, 0], [co, 0, 0]] for ch, co in lengths])


def raw_lengths(topology: mdtraj.Topology, xyz: NDArray) -> dict[str, NDArray]:
    found: dict[str, list[NDArray]] = {}
    for a, b in topology.bonds:
        name = "-".join(sorted([a.element.symbol, b.element.symbol]))
        found.setdefault(name, []).append(np.linalg.norm(xyz[:, a.index].astype(float) - xyz[:, b.index], axis=-1))
    return {name: np.array(values) for name, values in found.items()}


def test_classes(metric: BondLength) -> None:
    counts = {name: len(bonds) for name, bonds in metric.classes.items()}
    assert counts == {"C-C": 3, "C-H": 10, "C-N": 4, "C-O": 2, "H-N": 2}


@pytest.mark.parametrize("noise_nm", [0.0004, 0.01, 0.2])
def test_distance_is_that_of_scipy_on_the_raw_lengths(
    metric: BondLength, reference: Trajectories, topology: mdtraj.Topology, evaluate: Evaluate, noise_nm: float
) -> None:
    noise = np.random.default_rng(0).normal(scale=noise_nm, size=reference.positions.shape)
    drawn = (reference.positions[::-1] + noise).astype(np.float32)
    sides = raw_lengths(topology, reference.positions), raw_lengths(topology, drawn)
    weighted = [
        len(sides[0][name]) * wasserstein_distance(sides[0][name].ravel(), np.minimum(sides[1][name], 1.0).ravel())
        for name in sides[0]
    ]
    assert evaluate(metric, reference.positions, drawn)[ID] / 10 == pytest.approx(sum(weighted) / 21, abs=1e-5)


def test_classes_weigh_by_their_bonds(metric: BondLength, reference: Trajectories, evaluate: Evaluate) -> None:
    moved = reference.positions.astype(np.float64)
    carbonyls = [(4, 5), (14, 15)]
    for carbon, oxygen in carbonyls:
        bond = moved[:, oxygen] - moved[:, carbon]
        moved[:, oxygen] += 0.01 * bond / np.linalg.norm(bond, axis=1, keepdims=True)
    assert evaluate(metric, reference.positions, moved)[ID] == pytest.approx(0.1 * 2 / 21, abs=1e-5)


def test_a_shift_of_every_length_is_the_distance(pair: BondLength, evaluate: Evaluate) -> None:
    assert evaluate(pair, line((0.11, 0.12)), line((0.12, 0.12)))[ID] == pytest.approx(0.05, abs=1e-4)
    assert evaluate(pair, line((0.11, 0.12), (0.12, 0.12)), line((0.12, 0.12), (0.11, 0.12)))[ID] == 0.0


def test_a_constrained_bond_against_a_vibrating_one(pair: BondLength, evaluate: Evaluate) -> None:
    offsets = np.linspace(-0.005, 0.005, 101)
    expected = line(*[(0.11, 0.12)] * 101)
    found = evaluate(pair, expected, line(*[(0.11 + offset, 0.12) for offset in offsets]))[ID]
    assert found == pytest.approx(10 * np.abs(offsets).mean() / 2, abs=1e-4)


def test_long_bonds_count_as_the_ceiling(pair: BondLength, evaluate: Evaluate) -> None:
    scores = [evaluate(pair, line((0.11, 0.12)), line((far, 0.12)))[ID] for far in (1.001, 2.0, 1e9, np.inf, np.nan)]
    assert scores == pytest.approx([10 * (1.0 - 0.11) / 2] * 5, abs=1e-3)
    assert len(set(scores)) == 1


def test_value_uses_weights(metric: BondLength, reference: Trajectories) -> None:
    frames = Frames(reference.positions[None])
    once = metric.statistics(frames, Frames(reference.positions[None] * 1.01))
    assert metric.value(once + once)[ID] == pytest.approx(metric.value(once)[ID], rel=1e-12)


def test_a_topology_without_bonds_is_refused(
    make_context: Callable[..., MetricContext], make_topology: Callable[..., mdtraj.Topology]
) -> None:
    with pytest.raises(DataError, match="no bonds"):
        BondLength.fit(replace(make_context(), topology=make_topology([[("MOL", "C1 C2")]])))
