"""Dealing trajectories to splits."""

import mdtraj
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backmapbench.datasets.measures import unnatural
from backmapbench.datasets.packing import deal
from backmapbench.datasets.simulation.peptide import build_peptide, set_torsions
from backmapbench.errors import CardError


@given(st.sets(st.integers(0, 63), max_size=12))
def test_no_trajectory_twice_and_every_basin_as_often(rare):
    splits = {"test": 12, "fresh": 12, "train": 8, "validation": 4}
    dealt = deal(64, 4, sorted(rare), splits)
    everything = [index for indices in dealt.values() for index in indices]
    assert len(everything) == len(set(everything))
    for name, indices in dealt.items():
        assert [sum(i % 4 == basin for i in indices) for basin in range(4)] == [splits[name] // 4] * 4


def test_rare_trajectories_go_round():
    dealt = deal(32, 4, [1, 5, 9], {"test": 4, "fresh": 4, "train": 4})
    assert [9 in dealt["test"], 5 in dealt["fresh"], 1 in dealt["train"]] == [True, True, True]
    assert dealt["test"] == [9, 28, 30, 31]


def test_too_few_trajectories_and_uneven_splits_are_refused():
    with pytest.raises(CardError, match="do not fill"):
        deal(8, 4, [], {"test": 8, "fresh": 4})
    with pytest.raises(CardError, match="multiples"):
        deal(8, 4, [], {"test": 3})


def test_unfit_trajectories_go_nowhere():
    dealt = deal(20, 1, [], {"test": 6, "fresh": 6, "train": 5}, unfit=[19, 3, 7])
    assert not {19, 3, 7} & {index for indices in dealt.values() for index in indices}
    with pytest.raises(CardError, match="do not fill"):
        deal(20, 1, [], {"test": 6, "fresh": 6, "train": 6}, unfit=[19, 3, 7])


def test_inverted_and_cis_residues_are_told_from_natural_ones():
    built, positions = build_peptide("AYTA")
    topology = mdtraj.Topology.from_openmm(built)
    natural = mdtraj.Trajectory(positions[None], topology)
    assert not unnatural(natural)
    assert unnatural(mdtraj.Trajectory(positions[None] * [1, 1, -1], topology))
    names = ((2, "CA"), (2, "C"), (3, "N"), (3, "CA"))
    omega = tuple(int(topology.select(f"resSeq {number} and name {name}")[0]) for number, name in names)
    assert unnatural(mdtraj.Trajectory(set_torsions(built, positions, [(omega, 0.2)])[None], topology))
