"""Clashes: a hand-made peptide with every kind of contact, caps and glycine, tree and direct search alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import mdtraj
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import CardError
from backmapbench.metrics.base import MetricContext
from backmapbench.metrics.clash import Clash

ALA = ("ALA", "N CA C O CB HB")
SEQUENCE = [("ACE", "CH3 C O"), ALA, ALA, ("GLY", "N CA C O"), ALA, ("NME", "N CH3")]
ATOMS = {  # label: atom index
    "ACE:C": 1, "A1:CB": 7, "A1:HB": 8, "A1:CA": 4, "A2:N": 9, "A2:CB": 13, "G3:CA": 16, "A4:N": 19, "A4:CB": 23,
    "NME:N": 25, "A2:CA": 10, "A2:O": 12, "A4:O": 22, "B1:CB": 31,
}  # fmt: skip
Fit = Callable[[mdtraj.Topology], Clash]
Evaluate = Callable[..., dict[str, float]]


@pytest.fixture(scope="module")
def fit(make_context: Callable[..., MetricContext]) -> Fit:
    return lambda topology: Clash.fit(replace(make_context(), topology=topology))


@pytest.fixture(scope="module")
def metric(fit: Fit, make_topology: Callable[..., mdtraj.Topology]) -> Clash:
    """ACE-ALA-ALA-GLY-ALA-NME and a second chain of one ALA: five residues."""
    return fit(make_topology([SEQUENCE, [ALA]]))


def touching(*labels: str, distance: float = 0.1) -> NDArray[np.float64]:
    """One frame with all atoms 1 nm apart, but those of ``labels`` at ``distance`` nm in pairs: (1, 33, 3)."""
    xyz = np.zeros((1, 33, 3))
    xyz[0, :, 0] = np.arange(33)
    for first, second in zip(labels[::2], labels[1::2], strict=True):
        xyz[0, ATOMS[first]] = xyz[0, ATOMS[second]] + [0, distance, 0]
    return xyz


@pytest.mark.parametrize(
    ("contact", "neighbours", "all_pairs"),
    [
        (("A1:CB", "A2:CB"), 2, 2),  # side chains of neighbours
        (("A1:CB", "A2:N"), 0, 0),  # backbone of a neighbour: bonded residues come close anyway
        (("A1:HB", "A2:CB"), 0, 0),  # hydrogens do not count
        (("A2:CB", "G3:CA"), 0, 0),  # glycine has no side chain
        (("A2:CB", "A4:CB"), 0, 2),  # not neighbours
        (("A1:CA", "A4:O"), 0, 2),  # not neighbours, backbone counts as well
        (("A1:CA", "A2:O"), 0, 0),
        (("A1:CB", "ACE:C"), 0, 0),  # caps are no residues
        (("A4:CB", "NME:N"), 0, 0),
        (("A4:CB", "B1:CB"), 0, 2),  # another chain is not the next residue
        (("A1:CB", "A2:CB", "A4:CB", "B1:CB"), 2, 4),
    ],
)
def test_contacts(metric: Clash, evaluate: Evaluate, contact: tuple[str, ...], neighbours: int, all_pairs: int) -> None:
    scores = evaluate(metric, touching(), touching(*contact))
    assert scores["clash_percent"] == scores["clash_percent_raw"] == pytest.approx(100 * neighbours / 5)
    assert scores["clash_percent_all_pairs"] == scores["clash_percent_all_pairs_raw"] == pytest.approx(20 * all_pairs)


def test_strictly_closer_than_the_threshold(metric: Clash, evaluate: Evaluate) -> None:
    for distance, clashing in ((0.1199, 40.0), (0.1201, 0.0)):
        found = evaluate(metric, touching(), touching("A1:CB", "A2:CB", distance=distance))
        assert found["clash_percent"] == pytest.approx(clashing)


def test_a_residue_with_two_clashes_counts_once(metric: Clash, evaluate: Evaluate) -> None:
    collapsed = np.zeros((1, 33, 3))
    found = evaluate(metric, touching(), collapsed)
    assert found["clash_percent"] == pytest.approx(40.0)  # of GLY and two single neighbours none has a side-chain pair
    assert found["clash_percent_all_pairs"] == pytest.approx(100.0)


def test_ranked_is_the_distance_to_the_reference(metric: Clash, evaluate: Evaluate) -> None:
    clean, bad = touching(), touching("A1:CB", "A2:CB")
    frames = np.concatenate([clean, bad])  # the reference clashes in one frame of two: 20 %
    found = evaluate(metric, frames, np.concatenate([clean, clean]))
    assert found["clash_percent"] == found["clash_percent_all_pairs"] == pytest.approx(20.0)
    assert found["clash_percent_raw"] == found["clash_percent_all_pairs_raw"] == 0.0


def test_one_residue_scores_zero_and_none_is_refused(
    fit: Fit,
    make_context: Callable[..., MetricContext],
    make_topology: Callable[..., mdtraj.Topology],
    reference: Trajectories,
    evaluate: Evaluate,
) -> None:
    dipeptide = Clash.fit(make_context())
    assert dipeptide.residues == 1
    assert set(evaluate(dipeptide, reference.positions, reference.positions * 0).values()) == {0.0}
    with pytest.raises(CardError, match="amino-acid residues"):
        fit(make_topology([[("LIG", "C1 C2")]]))


def test_a_residue_at_no_finite_place_clashes(metric: Clash, evaluate: Evaluate) -> None:
    lost = touching()
    lost[0, ATOMS["A2:CB"]] = np.nan
    lost[0, ATOMS["B1:CB"], 1] = np.inf
    lost[0, ATOMS["A1:HB"]] = np.nan  # a hydrogen
    found = evaluate(metric, touching(), lost)
    assert found["clash_percent"] == found["clash_percent_all_pairs"] == pytest.approx(40.0)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), spread=st.floats(0.0, 0.5))
def test_tree_and_direct_search_agree_with_the_definition(metric: Clash, seed: int, spread: float) -> None:
    xyz = np.random.default_rng(seed).normal(scale=spread, size=(2, len(metric.atoms), 3))
    direct = metric.clashing(xyz, dense_atoms=64)
    for found, expected in zip(metric.clashing(xyz, dense_atoms=0), direct, strict=True):
        np.testing.assert_array_equal(found, expected)
    near = np.linalg.norm(xyz[:, :, None] - xyz[:, None], axis=-1) < 0.12
    gap = np.abs(metric.place[:, None] - metric.place)
    sides = metric.side_chain[:, None] & metric.side_chain
    for chosen, flags in (((gap == 1) & sides, direct[0]), ((gap > 1) | ((gap == 1) & sides), direct[1])):
        involved = [{int(metric.residue[i]) for i in np.flatnonzero((near[t] & chosen).any(1))} for t in range(2)]
        assert [set(np.flatnonzero(row).tolist()) for row in flags] == involved


def test_atoms_of_one_residue_do_not_clash(
    fit: Fit, make_topology: Callable[..., mdtraj.Topology], evaluate: Evaluate
) -> None:
    metric = fit(make_topology([[("LEU", "N CA C O CB CG CD1"), ("GLY", "N CA C O")]]))
    xyz = np.zeros((1, 11, 3))
    xyz[0, :, 0] = np.arange(11)
    folded = xyz.copy()
    folded[0, 5:7] = folded[0, 4] + [[0.1, 0, 0], [0, 0.1, 0]]
    assert set(evaluate(metric, xyz, folded).values()) == {0.0}
