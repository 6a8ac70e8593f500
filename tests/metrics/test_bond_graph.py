"""Bond graphs: cutoffs by element, the real bonds of a real molecule, tree and direct comparison alike."""

from __future__ import annotations

from collections.abc import Callable

import mdtraj
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import DataError
from backmapbench.metrics.bond_graph import BondGraph, Edges

MakeTopology = Callable[..., mdtraj.Topology]


def pairs(edges: Edges) -> list[tuple[int, int, int]]:
    return sorted(zip(edges.frame.tolist(), edges.first.tolist(), edges.second.tolist(), strict=True))


def test_bonds_of_the_molecule_are_those_of_its_topology(topology: mdtraj.Topology, rest: NDArray) -> None:
    graph = BondGraph.of(topology)
    expected = sorted(tuple(sorted((a.index, b.index))) for a, b in topology.bonds)
    assert [pair[1:] for pair in pairs(graph.edges(rest[None]))] == expected
    heavy = [pair for pair in expected if all(topology.atom(i).element.symbol != "H" for i in pair)]
    assert [count.tolist() for count in graph.counts(rest[None])] == [[len(heavy)], [len(expected)]]


@pytest.mark.parametrize(
    ("elements", "cutoff"),
    [
        ("C C", 1.768),
        ("N O", 1.768),
        ("C H", 1.183),
        ("H H", 0.598),
        ("S C", 2.21),
        ("S S", 2.652),
        ("P O", 1.859),
        ("Se:X Se:Y", 3.172),
    ],
)
def test_cutoffs(elements: str, cutoff: float, make_topology: MakeTopology) -> None:
    graph = BondGraph.of(make_topology([[("MOL", elements)]]))
    for distance, bonded in ((cutoff - 1e-6, 1), (cutoff + 1e-6, 0)):
        assert len(graph.edges(np.array([[[0, 0, 0], [0, distance / 10, 0]]])).frame) == bonded


def test_unknown_element_is_named(make_topology: MakeTopology) -> None:
    with pytest.raises(DataError, match=r"atom ION0-Z is Zn, .* H, C, N, O, P, S, Se only"):
        BondGraph.of(make_topology([[("ION", "Zn:Z")]]))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), spread=st.floats(0.0, 0.4), frames=st.integers(1, 3))
def test_tree_and_direct_comparison_agree(seed: int, spread: float, frames: int) -> None:
    rng = np.random.default_rng(seed)
    radii = rng.choice([0.023, 0.068, 0.075, 0.102, 0.122], size=30)
    graph = BondGraph(radii, radii > 0.03)
    xyz = rng.normal(scale=spread, size=(frames, 30, 3)).astype(np.float32)
    direct = pairs(graph.edges(xyz, dense_atoms=64))
    assert pairs(graph.edges(xyz, dense_atoms=0)) == direct
    assert len(set(direct)) == len(direct)
    for dense_atoms in (0, 64):
        heavy, everything = graph.counts(xyz, dense_atoms)
        assert everything.tolist() == np.bincount([edge[0] for edge in direct], minlength=frames).tolist()
        kept = [frame for frame, i, j in direct if graph.heavy[i] and graph.heavy[j]]
        assert heavy.tolist() == np.bincount(kept, minlength=frames).tolist()


def test_counts_per_frame(topology: mdtraj.Topology, reference: Trajectories) -> None:
    graph = BondGraph.of(topology)
    moved = reference.positions[:3].copy()
    moved[1, 18] += 5.0  # NME's methyl carbon: four bonds lost
    moved[2] = 0.0  # every pair a bond
    heavy, counts = graph.compare(graph.edges(reference.positions[:3]), moved)
    assert counts.reference.tolist() == [21, 21, 21]
    assert counts.prediction.tolist() == [21, 17, 231]
    assert counts.differing.tolist() == [0, 4, 210]
    assert heavy.reference.tolist() == [9, 9, 9]
    assert heavy.prediction.tolist() == [9, 8, 45]
    assert heavy.differing.tolist() == [0, 1, 36]
