"""Graph edit distance: networkx as oracle, closed forms for collapse and loss, and what the published form hides."""

from __future__ import annotations

from collections.abc import Callable

import mdtraj
import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from backmapbench.metrics.base import MetricContext
from backmapbench.metrics.bond_graph import BondGraph
from backmapbench.metrics.ged import Ged

PROHIBITIVE = 1e6
CH3, C, N, CA, CB, NME_C = 1, 4, 6, 8, 10, 18
Evaluate = Callable[..., dict[str, float]]


@pytest.fixture(scope="module")
def metric(make_context: Callable[..., MetricContext]) -> Ged:
    return Ged.fit(make_context())


def graph_of(bonds: BondGraph, xyz: NDArray) -> nx.Graph:
    made = nx.Graph()
    made.add_nodes_from((atom, {"label": atom}) for atom in range(bonds.atoms))
    edges = bonds.edges(xyz[None])
    made.add_edges_from(zip(edges.first.tolist(), edges.second.tolist(), strict=True))
    return made


def edit_distance(first: nx.Graph, second: nx.Graph) -> float:
    """networkx with atoms that keep their identity: nothing but edges is worth editing."""
    return nx.graph_edit_distance(
        first,
        second,
        node_subst_cost=lambda a, b: 0.0 if a["label"] == b["label"] else PROHIBITIVE,
        node_del_cost=lambda _: PROHIBITIVE,
        node_ins_cost=lambda _: PROHIBITIVE,
        upper_bound=PROHIBITIVE / 2,
    )


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), atoms=st.integers(2, 8))
def test_numerator_is_the_edit_distance_of_networkx(seed: int, atoms: int) -> None:
    bonds = BondGraph(np.full(atoms, 0.068), np.ones(atoms, dtype=bool))
    first, second = np.random.default_rng(seed).normal(scale=0.12, size=(2, atoms, 3))
    counts, _ = bonds.compare(bonds.edges(first[None]), second[None])
    assert counts.differing[0] == edit_distance(graph_of(bonds, first), graph_of(bonds, second))


def test_with_default_costs_relabelling_atoms_makes_the_distance_smaller() -> None:
    bonds = BondGraph(np.full(3, 0.068), np.ones(3, dtype=bool))
    first = np.array([[0.0, 0, 0], [0.15, 0, 0], [1.0, 0, 0]])  # bond 0-1
    second = np.array([[0.0, 0, 0], [1.0, 0, 0], [1.15, 0, 0]])  # bond 1-2
    assert nx.graph_edit_distance(graph_of(bonds, first), graph_of(bonds, second)) == 0.0
    assert bonds.compare(bonds.edges(first[None]), second[None])[0].differing.tolist() == [2]


def test_all_atoms_on_one_point(metric: Ged, rest: NDArray, evaluate: Evaluate) -> None:
    frames = np.stack([rest, rest])
    scores = evaluate(metric, frames, np.zeros_like(frames))
    assert scores["ged"] == pytest.approx((45 - 9) / 9)
    assert scores["ged_all_atom"] == pytest.approx((231 - 21) / 21)
    assert scores["ged_signed"] == pytest.approx((45 - 9) / 9)
    assert scores["ged_signed_diagonal"] == pytest.approx(2 * (45 - 9) / (2 * 9 + 10))


def test_all_atoms_apart(metric: Ged, rest: NDArray, evaluate: Evaluate) -> None:
    scores = evaluate(metric, rest[None], rest[None] * np.float32(10))
    assert (scores["ged"], scores["ged_all_atom"], scores["ged_signed"]) == (1.0, 1.0, 1.0)
    assert scores["ged_signed_diagonal"] == pytest.approx(2 * 9 / (2 * 9 + 10))


def test_a_lost_and_a_spurious_bond_cancel_only_as_published(metric: Ged, rest: NDArray, evaluate: Evaluate) -> None:
    moved = rest.copy()
    moved[NME_C] = 2 * rest[CB] - rest[CA]  # leaves N of NME, sits in bonding distance of CB
    scores = evaluate(metric, rest[None], moved[None])
    assert scores["ged"] == pytest.approx(2 / 9)
    assert scores["ged_signed"] == scores["ged_signed_diagonal"] == 0.0


def test_frames_that_lose_and_frames_that_gain_cancel_in_the_diagonal_form(
    metric: Ged, rest: NDArray, evaluate: Evaluate
) -> None:
    loses, gains = rest.copy(), rest.copy()
    loses[NME_C] += 5.0
    gains[CH3] = (rest[CA] + rest[N]) / 2  # loses C, gains CA and N within reach
    frames = np.stack([rest, rest])
    scores = evaluate(metric, frames, np.stack([loses, gains]))
    heavy = [i for i, radius in enumerate(metric.graph.radii) if radius > 0.03]

    def bonds(xyz: NDArray) -> int:
        return sum(np.linalg.norm(xyz[i] - xyz[j]) < 0.1768 for i in heavy for j in heavy if i < j)

    changes = [bonds(loses) - 9, bonds(gains) - 9]
    assert changes[0] < 0 < changes[1]
    assert scores["ged_signed"] == pytest.approx(np.abs(changes).mean() / 9)
    assert scores["ged_signed_diagonal"] == pytest.approx(2 * abs(sum(changes)) / (2 * (2 * 9 + 10)))


def test_frames_without_bonds_do_not_count(metric: Ged, rest: NDArray, evaluate: Evaluate) -> None:
    frames = np.stack([rest, rest * 10])
    assert evaluate(metric, frames, np.zeros_like(frames))["ged"] == pytest.approx(4.0)
    assert np.isnan(evaluate(metric, frames[1:], frames[1:])["ged"])


def test_large_molecules_score_as_small_ones(make_topology: Callable[..., mdtraj.Topology], evaluate: Evaluate) -> None:
    bonds = BondGraph.of(make_topology([[("MOL", "C " * 80)]]))
    rng = np.random.default_rng(0)
    first, second = (rng.normal(scale=0.4, size=(5, 80, 3)).astype(np.float32) for _ in range(2))
    found = evaluate(Ged(bonds), first, second)["ged"]
    adjacency = [np.linalg.norm(x[:, :, None] - x[:, None].astype(float), axis=-1) < 0.1768 for x in (first, second)]
    upper = np.triu(np.ones((80, 80), dtype=bool), 1)
    expected = [(a ^ b)[upper].sum() / a[upper].sum() for a, b in zip(*adjacency, strict=True)]
    assert found == pytest.approx(np.mean(expected))
