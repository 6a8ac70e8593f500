"""Laws that every structure metric obeys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import mdtraj
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from backmapbench.coarse_graining import atom_slice
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.metrics import Frames, Metric, MetricContext, metric_class

IDS = [
    "rmsd_angstrom",
    "ged",
    "clash_percent",
    "bond_length_w1_angstrom",
    "chirality_percent",
    "cg_consistency_angstrom",
]
# Scores that do not see how a frame lies in space, so that each frame may be moved by itself.
INTERNAL = ["ged", "clash_percent", "bond_length_w1_angstrom", "chirality_percent"]
LABELS = ["ACE1:C", "ALA2:N", "ALA2:CA", "ALA2:CB", "ALA2:C", "NME3:N"]
Evaluate = Callable[..., dict[str, float]]
Make = Callable[..., NDArray[np.float32]]
Fitted = dict[str, Metric]


@pytest.fixture(scope="module")
def fitted(make_context: Callable[..., MetricContext]) -> Fitted:
    return {name: metric_class(name).fit(make_context()) for name in IDS}


@pytest.fixture(scope="module")
def drawn(reference: Trajectories) -> NDArray[np.float32]:
    """Two samples with noise of 0.02 nm, one frame in ten inverted: (2, 400, 22, 3)."""
    noise = np.random.default_rng(1).normal(scale=0.02, size=(2, *reference.positions.shape))
    found = (reference.positions + noise).astype(np.float32)
    found[:, ::10] *= -1
    return found


@pytest.mark.parametrize("name", IDS)
def test_scores_are_those_declared(name: str, fitted: Fitted, reference: Trajectories, evaluate: Evaluate) -> None:
    metric = fitted[name]
    assert (metric.id, metric.scores[0].id, metric.scores[0].ranked) == (name, name, True)
    scores = evaluate(metric, reference.positions, reference.positions)
    assert list(scores) == [score.id for score in metric.scores]
    assert all(type(value) is float for value in scores.values())


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("samples", [1, 3])
def test_ranked_errors_are_exactly_zero_at_the_reference(
    name: str, samples: int, fitted: Fitted, reference: Trajectories, evaluate: Evaluate
) -> None:
    metric = fitted[name]
    scores = evaluate(metric, reference.positions, np.repeat(reference.positions[None], samples, axis=0))
    assert [scores[score.id] for score in metric.scores if score.ranked] == [0.0] * sum(s.ranked for s in metric.scores)


@pytest.mark.parametrize("name", IDS)
@settings(max_examples=8, deadline=None)
@given(chunk=st.integers(1, 400))
def test_cutting_into_chunks_changes_nothing(
    name: str, chunk: int, fitted: Fitted, reference: Trajectories, drawn: NDArray, evaluate: Evaluate
) -> None:
    chunk = max(chunk, 20)
    whole = evaluate(fitted[name], reference.positions, drawn)
    assert evaluate(fitted[name], reference.positions, drawn, chunk=chunk) == pytest.approx(whole, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("name", IDS)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_moving_both_together_changes_nothing(
    name: str, seed: int, fitted: Fitted, reference: Trajectories, drawn: NDArray, evaluate: Evaluate
) -> None:
    rng = np.random.default_rng(seed)
    turn, shift = Rotation.random(rng=rng).as_matrix(), rng.normal(size=3)
    sides = [side[..., :100, :, :].astype(np.float64) for side in (reference.positions, drawn)]
    moved = evaluate(fitted[name], *(side @ turn + shift for side in sides))
    assert moved == pytest.approx(evaluate(fitted[name], *sides), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", INTERNAL)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_moving_each_frame_by_itself_changes_no_internal_score(
    name: str, seed: int, fitted: Fitted, reference: Trajectories, drawn: NDArray, evaluate: Evaluate
) -> None:
    rng = np.random.default_rng(seed)
    turns = Rotation.random(100, rng=rng).as_matrix()
    sides = [side[..., :100, :, :].astype(np.float64) for side in (reference.positions, drawn)]
    moved = evaluate(fitted[name], sides[0], sides[1] @ turns + rng.normal(size=(100, 1, 3)))
    assert moved == pytest.approx(evaluate(fitted[name], *sides), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", IDS)
def test_the_order_of_atoms_does_not_matter(
    name: str,
    fitted: Fitted,
    reference: Trajectories,
    drawn: NDArray,
    topology: mdtraj.Topology,
    make_context: Callable[..., MetricContext],
    evaluate: Evaluate,
) -> None:
    rng = np.random.default_rng(3)
    residues = [[atom.index for atom in residue.atoms] for residue in topology.residues]
    order = np.concatenate([rng.permutation(atoms) for atoms in residues])
    shuffled = relabelled(topology, order)
    renamed = reference.replace_positions(reference.positions[:, order])
    mapping = atom_slice(shuffled, LABELS)
    metric = metric_class(name).fit(replace(make_context(), topology=shuffled, reference=renamed, mapping=mapping))
    found = evaluate(metric, renamed.positions, drawn[:, :, order])
    assert found == pytest.approx(evaluate(fitted[name], reference.positions, drawn), rel=1e-9)


def relabelled(topology: mdtraj.Topology, order: NDArray[np.intp]) -> mdtraj.Topology:
    """The same molecule with atom ``order[k]`` at place k."""
    made = mdtraj.Topology()
    chain = made.add_chain()
    residues = [made.add_residue(residue.name, chain, residue.resSeq) for residue in topology.residues]
    placed = {}
    for index in order:
        atom = topology.atom(int(index))
        placed[atom.index] = made.add_atom(atom.name, atom.element, residues[atom.residue.index])
    for first, second in topology.bonds:
        made.add_bond(placed[second.index], placed[first.index])
    return made


@pytest.mark.parametrize("name", IDS)
def test_no_error_decreases_as_noise_grows(
    name: str, fitted: Fitted, reference: Trajectories, evaluate: Evaluate
) -> None:
    noise = np.random.default_rng(4).normal(size=reference.positions.shape)
    levels = [
        evaluate(fitted[name], reference.positions, (reference.positions + sd * noise).astype(np.float32))
        for sd in (0.0, 0.005, 0.01, 0.03, 0.1)
    ]
    for score in fitted[name].scores:
        if score.ranked:
            rises = np.diff([level[score.id] for level in levels])
            assert (rises >= 0).all(), score.id
            if name in {"rmsd_angstrom", "bond_length_w1_angstrom", "cg_consistency_angstrom"}:
                assert (rises > 0).all(), score.id


@pytest.mark.parametrize("name", IDS)
def test_weighted_sums_are_repeated_blocks(name: str, fitted: Fitted, reference: Trajectories, drawn: NDArray) -> None:
    metric = fitted[name]
    blocks = [
        metric.statistics(Frames(part[None]), Frames(drawn[:, cut]))
        for part, cut in zip(reference, reference.slices, strict=True)
    ]
    repeated = metric.value(blocks[0] + blocks[1] + blocks[1])
    xyz = np.concatenate([reference.positions[:100], reference.positions[100:200], reference.positions[100:200]])
    samples = np.concatenate([drawn[:, :100], drawn[:, 100:200], drawn[:, 100:200]], axis=1)
    whole = metric.value(metric.statistics(Frames(xyz[None]), Frames(samples)))
    assert repeated == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("name", ["clash_percent", "bond_length_w1_angstrom", "chirality_percent"])
def test_metrics_that_need_no_pair_take_other_frames_in_any_order(
    name: str, fitted: Fitted, reference: Trajectories, make_frames: Make
) -> None:
    metric = fitted[name]
    other = make_frames(150, 9)
    expected = metric.value(metric.statistics(Frames(reference.positions[None]), Frames(other[None])))
    shuffled = Frames(other[None, np.random.default_rng(5).permutation(150)])
    assert not metric.paired
    assert metric.value(metric.statistics(Frames(reference.positions[None]), shuffled)) == expected


@pytest.mark.parametrize("name", ["rmsd_angstrom", "ged", "cg_consistency_angstrom"])
def test_metrics_of_pairs_see_the_order_of_frames(
    name: str, fitted: Fitted, reference: Trajectories, drawn: NDArray, evaluate: Evaluate
) -> None:
    metric = fitted[name]
    order = np.random.default_rng(6).permutation(400)
    assert metric.paired
    assert evaluate(metric, reference.positions, drawn[:, order]) != evaluate(metric, reference.positions, drawn)
