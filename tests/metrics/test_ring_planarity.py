"""Flat rings: closed forms, numpy's singular values as oracle, rings without a plane."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import mdtraj
import numpy as np
import pytest
from numpy.typing import NDArray

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import CardError
from backmapbench.metrics.base import MetricContext
from backmapbench.metrics.ring_planarity import RingPlanarity, aromatic_rings, principal_rms

Evaluate = Callable[..., dict[str, float]]
RAW = "ring_planarity_angstrom_raw"
PHENYL = ("PHE", "CG CD1 CE1 CZ CE2 CD2")
CLOSED = [(k, (k + 1) % 6) for k in range(6)]


@pytest.fixture(scope="module")
def hexagon(make_context: Callable[..., MetricContext], make_topology: Callable[..., mdtraj.Topology]) -> RingPlanarity:
    """One ring of six atoms, 1.39 Angstrom wide."""
    context = replace(make_context(), topology=make_topology([[PHENYL]], bonds=CLOSED))
    return RingPlanarity.fit(replace(context, reference=Trajectories(flat(), (1,), None)))


def flat() -> NDArray[np.float32]:
    turn = np.radians(60 * np.arange(6))
    return (0.139 * np.stack([np.cos(turn), np.sin(turn), 0 * turn], axis=1))[None].astype(np.float32)


def test_rings_of_every_residue(peptide_context: MetricContext) -> None:
    topology = peptide_context.topology
    rings = aromatic_rings(topology)
    names = [topology.atom(int(ring[0])).residue.name for ring in rings]
    assert names == ["TRP", "TRP", "TYR", "HIS", "PHE"]
    assert [len(ring) for ring in rings] == [5, 6, 6, 5, 6]
    bonds = {frozenset((a.index, b.index)) for a, b in topology.bonds}
    for ring in rings:
        assert all(frozenset((int(a), int(b))) in bonds for a, b in zip(ring, np.roll(ring, 1), strict=True))


def test_a_ring_is_found_whatever_its_residue_is_called(make_topology: Callable[..., mdtraj.Topology]) -> None:
    assert len(aromatic_rings(make_topology([[("PTR", PHENYL[1])]], bonds=CLOSED))) == 1
    assert len(aromatic_rings(make_topology([[PHENYL]], bonds=CLOSED[:5]))) == 0  # open
    hydrogens = " ".join(f"H{k}" for k in range(12))
    saturated = [*CLOSED, *((k, 6 + 2 * k + side) for k in range(6) for side in (0, 1))]
    assert len(aromatic_rings(make_topology([[("ALC", f"{PHENYL[1]} {hydrogens}")]], bonds=saturated))) == 0


def test_out_of_plane_distance_is_that_of_the_singular_values(
    peptide_context: MetricContext, evaluate: Evaluate
) -> None:
    metric, reference = RingPlanarity.fit(peptide_context), peptide_context.reference.positions
    noisy = reference + np.random.default_rng(1).normal(scale=0.01, size=reference.shape)
    expected = [
        [
            np.linalg.svd(frame[ring] - frame[ring].mean(axis=0), compute_uv=False)[-1] / np.sqrt(len(ring))
            for ring in metric.rings
        ]
        for frame in noisy
    ]
    assert evaluate(metric, reference, noisy)[RAW] == pytest.approx(10 * np.mean(expected))


def test_a_puckered_ring_in_closed_form(hexagon: RingPlanarity, evaluate: Evaluate) -> None:
    # Atoms up and down in turn by z stay 2 z apart: the plane is the old one and the rms distance is z.
    chair = flat().astype(np.float64) + 0.02 * np.array([0, 0, 1]) * np.array([1, -1] * 3)[:, None]
    scores = evaluate(hexagon, flat(), chair)
    assert scores[RAW] == pytest.approx(0.2)
    assert scores["ring_planarity_angstrom"] == pytest.approx(0.2, abs=1e-6)
    assert scores["ring_undefined_percent"] == 0.0
    assert evaluate(hexagon, chair, flat())["ring_planarity_angstrom"] == pytest.approx(0.2, abs=1e-6)


@pytest.mark.parametrize("place", ["point", "line", "nowhere"])
def test_a_ring_without_a_plane_counts_as_a_ball(hexagon: RingPlanarity, evaluate: Evaluate, place: str) -> None:
    broken = np.zeros_like(flat())
    if place == "line":
        broken[..., 0] = flat()[..., 0]
    elif place == "nowhere":
        broken[:, 2] = np.nan
    scores = evaluate(hexagon, flat(), broken)
    assert scores[RAW] == pytest.approx(1.39 / np.sqrt(3), rel=1e-6)
    assert scores["ring_undefined_percent"] == 100.0


def test_principal_extents_of_a_box() -> None:
    corners = np.array(np.meshgrid([-1, 1], [-2, 2], [-3, 3])).reshape(3, -1).T
    assert principal_rms(corners[None].astype(float)).tolist() == [pytest.approx([1, 2, 3])]


def test_a_molecule_without_rings_is_refused(make_context: Callable[..., MetricContext]) -> None:
    with pytest.raises(CardError, match="aromatic rings"):
        RingPlanarity.fit(make_context())
