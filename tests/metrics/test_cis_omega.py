"""Cis peptide bonds: rotated ones counted one by one, MDTraj's omega as oracle, proline apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import mdtraj
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import CardError
from backmapbench.metrics.base import MetricContext
from backmapbench.metrics.cis_omega import CisOmega

Evaluate = Callable[..., dict[str, float]]
C, N, BEYOND = 14, 16, [17, 18, 19, 20, 21]


@pytest.fixture(scope="module")
def metric(make_context: Callable[..., MetricContext]) -> CisOmega:
    return CisOmega.fit(make_context())


def turned(xyz: NDArray, first: int, second: int, atoms: list[int], degrees: NDArray) -> NDArray[np.float64]:
    """Frames with ``atoms`` turned around the bond from ``first`` to ``second``."""
    found = xyz.astype(np.float64)
    axis = found[:, second] - found[:, first]
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    turn = Rotation.from_rotvec(axis * np.radians(degrees)[:, None]).as_matrix()
    around = found[:, [second]]
    found[:, atoms] = np.einsum("fij,faj->fai", turn, found[:, atoms] - around) + around
    return found


def test_turned_bonds_are_counted(metric: CisOmega, rest: NDArray, evaluate: Evaluate) -> None:
    frames = np.repeat(rest[None], 5, axis=0)
    moved = turned(frames, C, N, BEYOND, np.array([0.0, 80.0, 100.0, 180.0, -180.0]))
    scores = evaluate(metric, frames, moved)
    assert scores["cis_omega_percent"] == scores["cis_omega_percent_raw"] == pytest.approx(100 * 3 / 10)
    assert scores["cis_omega_undefined_percent"] == 0.0
    assert np.isnan(scores["cis_omega_percent_proline"])


def test_shares_are_those_of_mdtraj(peptide_context: MetricContext, evaluate: Evaluate) -> None:
    topology, reference = peptide_context.topology, peptide_context.reference.positions
    noisy = (reference + np.random.default_rng(0).normal(scale=0.06, size=reference.shape)).astype(np.float32)
    indices, omega = mdtraj.compute_omega(mdtraj.Trajectory(noisy, topology), periodic=False)
    proline = np.array([topology.atom(int(nitrogen)).residue.name == "PRO" for nitrogen in indices[:, 2]])
    cis = np.abs(omega) < np.pi / 2
    scores = evaluate(CisOmega.fit(peptide_context), reference, noisy)
    assert scores["cis_omega_percent_raw"] == pytest.approx(100 * cis[:, ~proline].mean())
    assert scores["cis_omega_percent_proline_raw"] == pytest.approx(100 * cis[:, proline].mean())
    assert scores["cis_omega_percent_raw"] > 1.0


def test_ranked_is_the_distance_to_the_reference(metric: CisOmega, rest: NDArray, evaluate: Evaluate) -> None:
    frames = np.repeat(rest[None], 4, axis=0)
    half = turned(frames, C, N, BEYOND, np.array([180.0, 180.0, 0.0, 0.0]))
    scores = evaluate(metric, half, frames)
    assert (scores["cis_omega_percent"], scores["cis_omega_percent_raw"]) == (25.0, 0.0)


@pytest.mark.parametrize("place", [0.0, np.nan])
def test_undefined_bonds_count_as_cis(
    metric: CisOmega, reference: Trajectories, evaluate: Evaluate, place: float
) -> None:
    broken = reference.positions.copy()
    broken[:100, [N, 18]] = place
    scores = evaluate(metric, reference.positions, broken)
    assert scores["cis_omega_undefined_percent"] == pytest.approx(100 * 100 / 800)
    assert scores["cis_omega_percent_raw"] >= scores["cis_omega_undefined_percent"]


def test_molecules_without_such_a_bond_are_refused(
    make_context: Callable[..., MetricContext], make_topology: Callable[..., mdtraj.Topology]
) -> None:
    single = make_topology([[("GLY", "N CA C O")]], bonds=[(0, 1), (1, 2), (2, 3)])
    with pytest.raises(CardError, match="peptide bond"):
        CisOmega.fit(replace(make_context(), topology=single))
    pair = [("GLY", "N CA C O"), ("PRO", "N CA C O")]
    bonds = [(0, 1), (1, 2), (2, 3), (2, 4), (4, 5), (5, 6), (6, 7)]
    with pytest.raises(CardError, match="peptide bond"):
        CisOmega.fit(replace(make_context(), topology=make_topology([pair], bonds=bonds)))
