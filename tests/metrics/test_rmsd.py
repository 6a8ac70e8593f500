"""RMSD: closed forms, heavy atoms only, and mdtraj for the superposed variant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import mdtraj
import numpy as np
import pytest
from numpy.typing import NDArray

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.metrics.base import MetricContext
from backmapbench.metrics.rmsd import Rmsd

HEAVY = [1, 4, 5, 6, 8, 10, 14, 15, 16, 18]
Evaluate = Callable[..., dict[str, float]]
Make = Callable[..., NDArray[np.float32]]


@pytest.fixture(scope="module")
def metric(make_context: Callable[..., MetricContext]) -> Rmsd:
    return Rmsd.fit(make_context())


def test_heavy_atoms(metric: Rmsd) -> None:
    assert metric.heavy.tolist() == HEAVY


def test_a_shift_of_a_tenth_of_a_nanometre_is_one_angstrom(metric: Rmsd, rest: NDArray, evaluate: Evaluate) -> None:
    frames = np.round(np.stack([rest, rest]) * 1024) / 1024  # a grid on which the shift below is exact in float32
    shifted = frames.copy()
    shifted[..., 1] += np.float32(0.125)
    scores = evaluate(metric, frames, shifted)
    assert scores["rmsd_angstrom"] == pytest.approx(1.25, rel=1e-14)
    assert scores["rmsd_angstrom_as_published"] == pytest.approx(1.25, rel=1e-14)
    assert scores["rmsd_angstrom_superposed"] == pytest.approx(0.0, abs=1e-12)
    assert evaluate(metric, frames, frames + np.array([0, 0.1, 0]))["rmsd_angstrom"] == pytest.approx(1.0)


def test_mean_of_roots_and_root_of_means(metric: Rmsd, reference: Trajectories, evaluate: Evaluate) -> None:
    frames = reference.positions[:2]
    shifted = frames.astype(np.float64) + np.array([0.1, 0.3])[:, None, None] * [1, 0, 0]
    scores = evaluate(metric, frames, shifted)
    assert scores["rmsd_angstrom"] == pytest.approx(2.0)
    assert scores["rmsd_angstrom_as_published"] == pytest.approx(np.sqrt((1 + 9) / 2))


def test_definition_with_samples(metric: Rmsd, reference: Trajectories, evaluate: Evaluate) -> None:
    frames = reference.positions[:30].astype(np.float64)
    drawn = frames + np.random.default_rng(0).normal(scale=0.02, size=(4, *frames.shape))
    squares = ((drawn - frames)[:, :, HEAVY] ** 2).sum(-1).mean(-1)
    scores = evaluate(metric, frames, drawn)
    assert scores["rmsd_angstrom"] == pytest.approx(10 * np.sqrt(squares).mean())
    assert scores["rmsd_angstrom_as_published"] == pytest.approx(10 * np.sqrt(squares.mean()))


def test_hydrogens_do_not_count(metric: Rmsd, reference: Trajectories, evaluate: Evaluate) -> None:
    moved = reference.positions.copy()
    moved[:, np.setdiff1d(np.arange(22), HEAVY)] += 0.3
    assert set(evaluate(metric, reference.positions, moved).values()) == {0.0}


def test_backbone_and_side_chain_are_those_of_amino_acids(
    metric: Rmsd, reference: Trajectories, evaluate: Evaluate
) -> None:
    moved = reference.positions.astype(np.float64)
    moved[:, [6, 8, 14, 15]] += [0.1, 0.0, 0.0]  # N CA C O
    moved[:, 10] += [0.0, 0.3, 0.0]  # CB
    moved[:, [1, 4, 5, 16, 18]] += [0.0, 0.0, 7.0]  # caps
    scores = evaluate(metric, reference.positions, moved)
    assert scores["rmsd_angstrom_backbone"] == pytest.approx(1.0)
    assert scores["rmsd_angstrom_sidechain"] == pytest.approx(3.0)


def test_sets_of_atoms_are_those_of_mdtraj(peptide_context: MetricContext) -> None:
    metric, topology = Rmsd.fit(peptide_context), peptide_context.topology
    backbone = topology.select("backbone and not element H")
    terminal = topology.select("name OXT")  # MDTraj leaves it to the side chain
    assert metric.heavy[metric.backbone].tolist() == sorted([*backbone, *terminal])
    sides = topology.select("sidechain and not element H and not name OXT")
    assert metric.heavy[metric.sidechain].tolist() == sides.tolist()


def test_glycine_alone_has_no_side_chain(
    make_context: Callable[..., MetricContext],
    make_topology: Callable[..., mdtraj.Topology],
    evaluate: Evaluate,
) -> None:
    metric = Rmsd.fit(replace(make_context(), topology=make_topology([[("GLY", "N CA C O")]])))
    scores = evaluate(metric, np.zeros((2, 4, 3)), np.ones((2, 4, 3)))
    assert np.isnan(scores["rmsd_angstrom_sidechain"])
    assert scores["rmsd_angstrom_backbone"] == pytest.approx(10 * np.sqrt(3))


def test_best_of_k_takes_the_best_sample_of_each_frame(
    metric: Rmsd, reference: Trajectories, evaluate: Evaluate
) -> None:
    frames = reference.positions[:2].astype(np.float64)
    shifts = np.array([[0.1, 0.4], [0.3, 0.2], [0.5, 0.5]])  # sample, frame
    drawn = frames + shifts[:, :, None, None] * [0.0, 1.0, 0.0]
    scores = evaluate(metric, frames, drawn)
    assert scores["rmsd_angstrom_best_of_k"] == pytest.approx(10 * (0.1 + 0.2) / 2)
    assert scores["rmsd_angstrom"] == pytest.approx(10 * shifts.mean())
    assert evaluate(metric, frames, drawn[:1])["rmsd_angstrom_best_of_k"] == pytest.approx(2.5)


def test_superposed_is_that_of_mdtraj(
    metric: Rmsd, make_frames: Make, topology: mdtraj.Topology, evaluate: Evaluate
) -> None:
    target, mobile = make_frames(40, 1), make_frames(40, 2)
    expected = [
        mdtraj.rmsd(mdtraj.Trajectory(mobile[t], topology), mdtraj.Trajectory(target[t], topology), atom_indices=HEAVY)[
            0
        ]
        for t in range(40)
    ]
    found = evaluate(metric, target, mobile)
    assert found["rmsd_angstrom_superposed"] == pytest.approx(10 * np.mean(expected), rel=1e-4)
    assert found["rmsd_angstrom_superposed"] < found["rmsd_angstrom"] < found["rmsd_angstrom_as_published"]


def test_superposition_does_not_hide_the_mirror_image(
    metric: Rmsd, reference: Trajectories, evaluate: Evaluate
) -> None:
    mirrored = reference.positions * np.float32([-1, 1, 1])
    assert evaluate(metric, reference.positions, mirrored)["rmsd_angstrom_superposed"] > 0.2
