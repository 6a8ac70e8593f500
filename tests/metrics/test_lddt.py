"""lDDT: biotite as oracle, closed forms, small and large molecules alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import biotite.structure as struc
import mdtraj
import numpy as np
import pytest
from numpy.typing import NDArray

from backmapbench.errors import CardError
from backmapbench.metrics import lddt
from backmapbench.metrics.base import MetricContext
from backmapbench.metrics.lddt import Lddt

Evaluate = Callable[..., dict[str, float]]


@pytest.fixture(scope="module")
def metric(peptide_context: MetricContext) -> Lddt:
    return Lddt.fit(peptide_context)


@pytest.fixture(scope="module")
def pair(make_context: Callable[..., MetricContext], make_topology: Callable[..., mdtraj.Topology]) -> Lddt:
    """Two atoms of one residue and one of another."""
    return Lddt.fit(replace(make_context(), topology=make_topology([[("GLY", "N CA"), ("GLY", "N")]])))


@pytest.mark.parametrize("sd", [0.01, 0.05, 0.3])
def test_scores_are_those_of_biotite(
    metric: Lddt,
    peptide_context: MetricContext,
    as_biotite: Callable[[mdtraj.Topology, NDArray], Any],
    evaluate: Evaluate,
    sd: float,
) -> None:
    reference = peptide_context.reference.positions[:6]
    drawn = (reference + np.random.default_rng(2).normal(scale=sd, size=(2, *reference.shape))).astype(np.float32)
    heavy = metric.heavy
    target = as_biotite(peptide_context.topology, reference)
    expected = [
        struc.lddt(target[frame][heavy], as_biotite(peptide_context.topology, sample)[frame][heavy])
        for sample in drawn
        for frame in range(len(reference))
    ]
    scores = evaluate(metric, reference, drawn)
    assert scores["lddt_raw"] == pytest.approx(np.mean(expected), abs=1e-4)
    assert scores["lddt"] == pytest.approx(1 - scores["lddt_raw"])


@pytest.mark.parametrize(
    ("stretch", "kept"), [(0.3, 1.0), (0.7, 0.75), (1.5, 0.5), (3.0, 0.25), (4.5, 0.0), (-0.7, 0.75)]
)
def test_one_distance_in_closed_form(pair: Lddt, evaluate: Evaluate, stretch: float, kept: float) -> None:
    reference = np.array([[[0.0, 0, 0], [0, 9.0, 0], [1.0, 0, 0]]])  # the second atom is farther than 15 Angstrom
    moved = reference.copy()
    moved[0, 2, 0] += stretch / 10
    moved[0, 1] += 3.0
    assert evaluate(pair, reference, moved)["lddt_raw"] == pytest.approx(kept)


def test_distances_inside_a_residue_and_beyond_15_angstrom_do_not_count(pair: Lddt, evaluate: Evaluate) -> None:
    apart = np.array([[[0.0, 0, 0], [0, 0.1, 0], [1.6, 0, 0]]])
    assert np.isnan(evaluate(pair, apart, apart)["lddt"])
    near = apart * [0.5, 1, 1]
    broken = near.copy()
    broken[0, 1, 1] = 9.0  # one of two distances to the other residue
    assert evaluate(pair, near, broken)["lddt_raw"] == pytest.approx(0.5)


def test_frames_without_a_distance_do_not_count(pair: Lddt, evaluate: Evaluate) -> None:
    near = np.array([[0.0, 0, 0], [0, 0.1, 0], [1.0, 0, 0]])
    frames = np.stack([near, near * 5])
    assert (
        evaluate(pair, frames, frames * 0)["lddt"] == 1.0
    )  # 10 Angstrom lost in one frame, nothing to lose in the other
    assert evaluate(pair, frames, np.stack([near, near * 0]))["lddt"] == 0.0


def test_a_mirror_image_keeps_all_distances(metric: Lddt, peptide_context: MetricContext, evaluate: Evaluate) -> None:
    reference = peptide_context.reference.positions[:3]
    assert evaluate(metric, reference, reference * np.float32([1, -1, 1]))["lddt"] == 0.0


def test_distances_to_nowhere_are_lost(metric: Lddt, peptide_context: MetricContext, evaluate: Evaluate) -> None:
    reference = peptide_context.reference.positions[:3]
    for place in (np.nan, np.inf):
        assert evaluate(metric, reference, np.full_like(reference, place))["lddt"] == 1.0


def test_jitter_of_the_control_rows_grows_strictly(
    metric: Lddt, peptide_context: MetricContext, evaluate: Evaluate
) -> None:
    reference = peptide_context.reference.positions
    noise = np.random.default_rng(3).normal(size=reference.shape)
    levels = [evaluate(metric, reference, reference + sd * noise)["lddt"] for sd in (0.005, 0.01, 0.03)]
    assert levels[0] < levels[1] < levels[2]


def test_frame_by_frame_and_in_blocks_agree(
    metric: Lddt, peptide_context: MetricContext, evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = peptide_context.reference.positions[:5]
    drawn = reference + np.random.default_rng(4).normal(scale=0.05, size=reference.shape)
    found = []
    for atoms in (0, 10_000):
        monkeypatch.setattr(lddt, "PAIRED_ATOMS", atoms)
        found.append(evaluate(metric, reference, drawn)["lddt"])
    assert found[0] == pytest.approx(found[1], rel=1e-12)


def test_a_single_residue_is_refused(
    make_context: Callable[..., MetricContext], make_topology: Callable[..., mdtraj.Topology]
) -> None:
    with pytest.raises(CardError, match="between residues"):
        Lddt.fit(replace(make_context(), topology=make_topology([[("GLY", "N CA C O")]])))
