"""Bead consistency: closed forms for atoms as beads and for centres."""

from __future__ import annotations

from collections.abc import Callable

import mdtraj
import numpy as np
import pytest

from backmapbench.coarse_graining import CoarseMapping
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.metrics.base import MetricContext
from backmapbench.metrics.cg_consistency import CgConsistency

BEADS = [4, 6, 8, 10, 14, 16]
Evaluate = Callable[..., dict[str, float]]


@pytest.fixture(scope="module")
def metric(make_context: Callable[..., MetricContext]) -> CgConsistency:
    return CgConsistency.fit(make_context())


@pytest.fixture(scope="module")
def centres(topology: mdtraj.Topology) -> CgConsistency:
    """Three beads: centres of mass of the residues."""
    groups = [[atom.index for atom in residue.atoms] for residue in topology.residues]
    masses = np.array([atom.element.mass for atom in topology.atoms])
    return CgConsistency(CoarseMapping.from_groups(groups, 22, ["A", "B", "C"], masses))


def test_atoms_outside_the_beads_are_free(metric: CgConsistency, reference: Trajectories, evaluate: Evaluate) -> None:
    moved = reference.positions.copy()
    moved[:, np.setdiff1d(np.arange(22), BEADS)] += 1.0
    assert evaluate(metric, reference.positions, moved)["cg_consistency_angstrom"] == 0.0


def test_root_of_the_grand_mean(metric: CgConsistency, reference: Trajectories, evaluate: Evaluate) -> None:
    frames = reference.positions[:2].astype(np.float64)
    moved = frames.copy()
    moved[0, BEADS[2]] += [0.3, 0.0, 0.4]  # one bead of twelve, 5 Angstrom
    assert evaluate(metric, frames, moved)["cg_consistency_angstrom"] == pytest.approx(np.sqrt(25 / 12))


@pytest.mark.parametrize("samples", [1, 3, 7])
def test_the_oracle_is_exactly_zero_for_centres_and_samples(
    samples: int, centres: CgConsistency, reference: Trajectories, evaluate: Evaluate
) -> None:
    drawn = np.repeat(reference.positions[None, :50], samples, axis=0)
    assert evaluate(centres, reference.positions[:50], drawn)["cg_consistency_angstrom"] == 0.0


def test_a_motion_that_keeps_the_centre_keeps_the_bead(
    centres: CgConsistency, reference: Trajectories, evaluate: Evaluate, topology: mdtraj.Topology
) -> None:
    moved = reference.positions.astype(np.float64)
    hydrogens = [atom.index for atom in topology.residue(0).atoms if atom.element.symbol == "H"]
    moved[:, hydrogens[0]] += 0.1
    moved[:, hydrogens[1]] -= 0.1
    assert evaluate(centres, reference.positions, moved)["cg_consistency_angstrom"] == pytest.approx(0.0, abs=1e-12)
    moved += [0.0, 0.1, 0.0]
    assert evaluate(centres, reference.positions, moved)["cg_consistency_angstrom"] == pytest.approx(1.0)
