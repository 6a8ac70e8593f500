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
from backmapbench.metrics.bond_graph import BondGraph

MakeTopology = Callable[..., mdtraj.Topology]


def pairs(codes: NDArray, atoms: int) -> list[tuple[int, int, int]]:
    return [(int(c) // atoms**2, int(c) // atoms % atoms, int(c) % atoms) for c in codes]


def test_bonds_of_the_molecule_are_those_of_its_topology(topology: mdtraj.Topology, rest: NDArray) -> None:
    graph = BondGraph.of(topology)
    expected = sorted(tuple(sorted((a.index, b.index))) for a, b in topology.bonds)
    codes = graph.edges(rest[None])
    assert [pair[1:] for pair in pairs(codes, 22)] == expected
    heavy = [pair for pair in expected if all(topology.atom(i).element.symbol != "H" for i in pair)]
    assert [pair[1:] for pair in pairs(graph.among_heavy(codes), 22)] == heavy


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
        assert len(graph.edges(np.array([[[0, 0, 0], [0, distance / 10, 0]]]))) == bonded


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
    direct = graph.edges(xyz, dense_atoms=64)
    np.testing.assert_array_equal(graph.edges(xyz, dense_atoms=0), direct)
    assert (np.diff(direct) > 0).all()


def test_counts_per_frame(topology: mdtraj.Topology, reference: Trajectories) -> None:
    graph = BondGraph.of(topology)
    moved = reference.positions[:3].copy()
    moved[1, 18] += 5.0  # NME's methyl carbon: four bonds lost
    moved[2] = 0.0  # every pair a bond
    counts = graph.compare(graph.edges(reference.positions[:3]), graph.edges(moved), 3)
    assert counts.reference.tolist() == [21, 21, 21]
    assert counts.prediction.tolist() == [21, 17, 231]
    assert counts.differing.tolist() == [0, 4, 210]
