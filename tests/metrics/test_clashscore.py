"""Overlaps: a plain definition with networkx as oracle, hand-made contacts, tree and direct search alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import mdtraj
import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from backmapbench.errors import DataError
from backmapbench.metrics.base import MetricContext
from backmapbench.metrics.clashscore import Clashscore, joined_pairs
from backmapbench.tasks import Task

Evaluate = Callable[..., dict[str, float]]
# Water, formaldehyde, methane and ethene: polar and small hydrogens, a carbonyl, an sp3 and two sp2 carbons.
ATOMS = "O HA HB C1 O1 HC HD C2 HE HF HG HH C3 C4 HI HJ HK HL"
BONDS = [(0, 1), (0, 2), (3, 4), (3, 5), (3, 6), (7, 8), (7, 9), (7, 10), (7, 11), (12, 13), (12, 14), (12, 15)]
BONDS += [(13, 16), (13, 17)]
RADII = {  # Angstrom
    **dict.fromkeys([1, 2, 5, 6, 14, 15, 16, 17], 1.0), **dict.fromkeys([8, 9, 10, 11], 1.17),
    3: 1.65, 7: 1.75, 12: 1.75, 13: 1.75, 0: 1.4, 4: 1.4,
}  # fmt: skip


@pytest.fixture(scope="module")
def molecules(make_topology: Callable[..., mdtraj.Topology]) -> mdtraj.Topology:
    return make_topology([[("MIX", ATOMS)]], bonds=BONDS)


@pytest.fixture(scope="module")
def metric(make_context: Callable[..., MetricContext], molecules: mdtraj.Topology) -> Clashscore:
    return Clashscore.fit(replace(make_context(), topology=molecules))


def apart(*pair: int, distance: float = 0.0) -> NDArray[np.float64]:
    """One frame with all atoms 1 nm apart, but the two of ``pair`` at ``distance`` Angstrom."""
    xyz = np.zeros((1, 18, 3))
    xyz[0, :, 0] = np.arange(18)
    if pair:
        xyz[0, pair[0]] = xyz[0, pair[1]] + [0, distance / 10, 0]
    return xyz


def test_radii(metric: Clashscore) -> None:
    assert (10 * metric.radii).tolist() == pytest.approx([RADII[atom] for atom in range(18)])


@pytest.mark.parametrize(
    ("pair", "limit"),
    [
        ((0, 7), 1.4 + 1.75 - 0.4),
        ((4, 12), 1.4 + 1.75 - 0.4),
        ((3, 13), 1.65 + 1.75 - 0.4),
        ((8, 16), 1.17 + 1.0 - 0.4),
        ((1, 4), 1.0 + 1.4 - 1.0),  # hydrogen bond
        ((2, 7), 1.0 + 1.75 - 0.4),  # a polar hydrogen and no acceptor
        ((14, 0), 1.0 + 1.4 - 0.4),  # a hydrogen on carbon is no donor
        ((0, 4), 1.4 + 1.4 - 0.4),  # two acceptors
    ],
)
def test_overlaps_begin_at_the_limit(metric: Clashscore, pair: tuple[int, int], limit: float) -> None:
    assert metric.overlaps(apart(*pair, distance=limit - 1e-6)).tolist() == [1.0]
    assert metric.overlaps(apart(*pair, distance=limit + 1e-6)).tolist() == [0.0]


@pytest.mark.parametrize("pair", [(0, 1), (1, 2), (8, 9), (12, 16), (14, 16)])
def test_atoms_up_to_three_bonds_apart_do_not_count(metric: Clashscore, pair: tuple[int, int]) -> None:
    assert metric.overlaps(apart(*pair)).tolist() == [0.0]


def test_per_thousand_atoms_and_distance_to_the_reference(metric: Clashscore, evaluate: Evaluate) -> None:
    clean, bad = apart(), apart(0, 7)
    scores = evaluate(metric, np.concatenate([clean, bad]), np.concatenate([bad, bad]))
    assert scores["clashscore_raw"] == pytest.approx(1000 / 18)
    assert scores["clashscore"] == pytest.approx(500 / 18)


def test_pairs_joined_by_bonds_are_those_of_networkx(peptide_context: MetricContext) -> None:
    topology = peptide_context.topology
    graph = nx.Graph((a.index, b.index) for a, b in topology.bonds)
    near = dict(nx.all_pairs_shortest_path_length(graph, cutoff=3))
    expected = sorted((a, b) for a in near for b in near[a] if a < b)
    assert joined_pairs(topology, 3).tolist() == [list(pair) for pair in expected]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), spread=st.floats(0.0, 0.6))
def test_tree_and_direct_search_agree_with_the_definition(
    metric: Clashscore, molecules: mdtraj.Topology, seed: int, spread: float
) -> None:
    xyz = np.random.default_rng(seed).normal(scale=spread, size=(2, 18, 3)).astype(np.float32)
    graph = nx.Graph((a.index, b.index) for a, b in molecules.bonds)
    near = dict(nx.all_pairs_shortest_path_length(graph, cutoff=3))
    polar, acceptors = {1, 2}, {0, 4}
    expected = []
    for frame in xyz.astype(np.float64):
        found = 0
        for a, b in combinations(range(18), 2):
            bridge = (a in polar and b in acceptors) or (b in polar and a in acceptors)
            limit = RADII[a] + RADII[b] - (1.0 if bridge else 0.4)
            found += b not in near[a] and 10 * np.linalg.norm(frame[a] - frame[b]) < limit
        expected.append(found)
    assert metric.overlaps(xyz, dense_atoms=64).tolist() == expected
    assert metric.overlaps(xyz, dense_atoms=0).tolist() == expected


def test_a_real_molecule_has_few_and_a_collapsed_one_all(
    make_context: Callable[..., MetricContext], task: Task
) -> None:
    metric = Clashscore.fit(make_context())
    assert metric.overlaps(task.atoms("test").positions[::20]).mean() < 0.05  # molecular dynamics
    assert metric.overlaps(np.zeros((2, 22, 3))).tolist() == [231.0 - len(metric.near)] * 2


def test_a_place_that_is_not_finite_leaves_no_value(metric: Clashscore, evaluate: Evaluate) -> None:
    lost = apart()
    lost[0, 3, 1] = np.nan
    assert np.isnan(evaluate(metric, apart(), lost)["clashscore"])


def test_unknown_element_is_named(
    make_context: Callable[..., MetricContext], make_topology: Callable[..., mdtraj.Topology]
) -> None:
    with pytest.raises(DataError, match="ION0-Z is Zn"):
        Clashscore.fit(replace(make_context(), topology=make_topology([[("ION", "Zn:Z C")]], bonds=[(0, 1)])))
