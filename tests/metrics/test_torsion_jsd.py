"""Torsion distributions: scipy's Jensen-Shannon distance as oracle, closed forms, undefined torsions, maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import mdtraj
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import CardError
from backmapbench.metrics import Frames
from backmapbench.metrics.base import MetricContext
from backmapbench.metrics.geometry import torsions
from backmapbench.metrics.protein_torsions import KINDS, protein_torsions
from backmapbench.metrics.torsion_jsd import TorsionJsd

Evaluate = Callable[..., dict[str, float]]
EDGES = np.linspace(-np.pi, np.pi, 37)


@pytest.fixture(scope="module")
def metric(make_context: Callable[..., MetricContext]) -> TorsionJsd:
    return TorsionJsd.fit(make_context())


def distance(expected: NDArray, found: NDArray, bins: int = 1) -> float:
    """scipy's distance of histograms of angles (frames,) or of pairs of angles (frames, 2)."""
    sides = [np.histogramdd(np.atleast_2d(side.T).T, [EDGES] * bins)[0].ravel() + 0.5 for side in (expected, found)]
    return float(jensenshannon(*sides, base=2))


def test_scores_are_those_of_scipy(
    metric: TorsionJsd,
    topology: mdtraj.Topology,
    reference: Trajectories,
    make_frames: Callable[..., NDArray[np.float32]],
    evaluate: Evaluate,
) -> None:
    other = np.concatenate([make_frames(100, seed, 0.01) for seed in range(50, 54)])
    scores = evaluate(metric, reference.positions, other)
    quads = protein_torsions(topology)
    sides = {kind: [torsions(xyz, quads[kind]) for xyz in (reference.positions, other)] for kind in KINDS}
    each = {
        kind: [distance(x[:, k], y[:, k]) for k in range(x.shape[1])] for kind, (x, y) in sides.items() if x.shape[1]
    }
    assert list(each) == ["phi", "psi", "omega"]
    assert scores["torsion_jsd"] == pytest.approx(np.mean([value for found in each.values() for value in found]))
    for kind, expected in each.items():
        assert scores[f"torsion_jsd_{kind}"] == pytest.approx(np.mean(expected))
    assert all(np.isnan(scores[f"torsion_jsd_chi{number}"]) for number in range(1, 6))
    maps = [np.column_stack([sides["phi"][k][:, 0], sides["psi"][k][:, 0]]) for k in (0, 1)]
    assert scores["torsion_jsd_ramachandran"] == pytest.approx(distance(*maps, bins=2))
    assert scores["torsion_undefined_percent"] == 0.0


def test_ramachandran_pairs_belong_to_one_residue(peptide_context: MetricContext) -> None:
    metric = TorsionJsd.fit(peptide_context)
    assert len(metric.pairs) == 13  # fifteen residues but the two ends
    for phi, psi in metric.pairs:
        assert metric.quads[phi, 1:].tolist() == metric.quads[psi, :3].tolist()


def test_margins_of_the_map_are_the_histograms(metric: TorsionJsd, make_frames: Callable) -> None:
    xyz = make_frames(300, 3)
    counts = metric.statistics(Frames(xyz[None]), Frames(xyz[None])).prediction
    maps = metric.maps(counts)[:, :-1].reshape(36, 36)
    assert maps.sum() == 300
    np.testing.assert_array_equal(maps.sum(axis=1), np.asarray(counts["bins"])[0, :36])  # phi is slow
    np.testing.assert_array_equal(maps.sum(axis=0), np.asarray(counts["bins"])[1, :36])


@pytest.mark.parametrize("place", [0.0, np.nan])
def test_undefined_torsions_share_nothing_with_any_angle(
    metric: TorsionJsd, reference: Trajectories, evaluate: Evaluate, place: float
) -> None:
    scores = evaluate(metric, reference.positions, np.full_like(reference.positions, place))
    assert scores["torsion_undefined_percent"] == 100.0
    wrong = evaluate(metric, reference.positions, np.repeat(reference.positions[:1] * np.float32([-1, 1, 1]), 400, 0))
    assert scores["torsion_jsd"] >= wrong["torsion_jsd"]
    # 400 frames in one cell of their own against 18 pseudo-counts spread over the others.
    bins = np.asarray(
        metric.statistics(Frames(reference.positions[None]), Frames(reference.positions[None])).reference["bins"]
    )
    broken = np.append(np.full(36, 0.5), 400.0)
    expected = [jensenshannon(np.append(row[:36] + 0.5, 0.0), broken, base=2) for row in bins]
    assert scores["torsion_jsd"] == pytest.approx(np.mean(expected))


def test_samples_share_the_count_of_one_frame(
    metric: TorsionJsd, reference: Trajectories, make_frames: Callable, evaluate: Evaluate
) -> None:
    first, second = make_frames(400, 60), make_frames(400, 61)
    found = metric.statistics(Frames(reference.positions[None]), Frames(np.stack([first, second]))).prediction["bins"]
    halves = [
        np.asarray(metric.statistics(Frames(reference.positions[None]), Frames(xyz[None])).prediction["bins"])
        for xyz in (first, second)
    ]
    np.testing.assert_array_equal(found, (halves[0] + halves[1]) / 2)


def test_opposite_angles_are_as_far_apart_as_pseudo_counts_let_them(
    metric: TorsionJsd, rest: NDArray, evaluate: Evaluate
) -> None:
    frames = np.repeat(rest[None], 10_000, axis=0)
    mirrored = frames * np.float32([-1, 1, 1])
    assert 0.95 < evaluate(metric, frames, mirrored)["torsion_jsd_phi"] < 1.0


def test_a_molecule_without_torsions_is_refused(
    make_context: Callable[..., MetricContext], make_topology: Callable[..., mdtraj.Topology]
) -> None:
    ligand = make_topology([[("LIG", "C1 C2 C3")]], bonds=[(0, 1), (1, 2)])
    with pytest.raises(CardError, match="phi, psi, omega or chi"):
        TorsionJsd.fit(replace(make_context(), topology=ligand))
