from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import DataError
from backmapbench.metrics import Frames, MetricContext
from backmapbench.metrics.base import Additive, Statistics
from backmapbench.metrics.energy import CEILING_KT, CELL_KT, CELLS, Energy
from backmapbench.metrics.energy_terms import EnergyTerms
from backmapbench.metrics.histograms import count


@pytest.fixture(scope="module")
def metric(make_context: Callable[..., MetricContext]) -> Energy:
    return Energy.fit(make_context())


def jittered(xyz: NDArray[np.float32], sd_nm: float) -> NDArray[np.float32]:
    noise = np.random.default_rng(5).normal(size=xyz.shape)
    return (xyz + sd_nm * noise).astype(np.float32)


def score(
    metric: Energy | EnergyTerms, reference: NDArray[np.float32], prediction: NDArray[np.float32]
) -> dict[str, float]:
    return metric.value(metric.statistics(Frames(reference[None]), Frames(prediction[None])))


def energies_kt(metric: Energy, xyz: NDArray[np.float32]) -> NDArray[np.float64]:
    return metric.potential(xyz) / metric.kt


def test_distance_is_that_of_scipy_on_the_energies(
    metric: Energy, reference: Trajectories, make_frames: Callable[..., NDArray[np.float32]]
) -> None:
    prediction = make_frames(250, 9, 0.004)
    x, y = energies_kt(metric, reference.positions), energies_kt(metric, prediction)
    scores = score(metric, reference.positions, prediction)
    assert scores["energy_w1_kt"] == pytest.approx(wasserstein_distance(x, y), abs=CELL_KT)
    assert scores["energy_median_shift_kt"] == pytest.approx(np.median(y) - np.median(x), abs=1.0)
    excess = 100 * np.mean(y > np.percentile(x, 99.9))
    assert scores["energy_excess_percent_raw"] == pytest.approx(excess)
    assert scores["energy_excess_percent"] == pytest.approx(abs(excess - 100 * np.mean(x > np.percentile(x, 99.9))))


def test_errors_grow_with_noise(metric: Energy, reference: Trajectories) -> None:
    xyz = reference.positions
    found = [score(metric, xyz, jittered(xyz, sd)) for sd in (0.0, 0.002, 0.005, 0.01, 0.03)]
    distances = [scores["energy_w1_kt"] for scores in found]
    assert distances[0] == 0
    assert all(np.diff(distances) > 0)
    assert all(np.diff([scores["energy_excess_percent"] for scores in found]) >= 0)


def test_energies_that_are_no_number_count_at_the_ceiling(metric: Energy, reference: Trajectories) -> None:
    broken = reference.positions.copy()
    broken[:100] = np.nan
    broken[100:200] = 0.0
    scores = score(metric, reference.positions, broken)
    kept = energies_kt(metric, reference.positions[200:])
    ceiling = np.full(200, metric.median + CEILING_KT)
    expected = wasserstein_distance(energies_kt(metric, reference.positions), np.concatenate([kept, ceiling]))
    assert scores["energy_clipped_percent"] == 50.0
    assert scores["energy_w1_kt"] == pytest.approx(expected, rel=1e-5)
    assert scores["energy_excess_percent_raw"] >= 50.0


def test_energies_scale_with_temperature(make_context: Callable[..., MetricContext], reference: Trajectories) -> None:
    import dataclasses

    cold = make_context()
    hot = Energy.fit(dataclasses.replace(cold, temperature_K=600.0))
    prediction = jittered(reference.positions, 0.01)
    half = score(hot, reference.positions, prediction)["energy_w1_kt"]
    assert score(Energy.fit(cold), reference.positions, prediction)["energy_w1_kt"] == pytest.approx(2 * half, rel=1e-3)


def test_order_of_frames_does_not_matter(metric: Energy, reference: Trajectories) -> None:
    shuffled = reference.positions[np.random.default_rng(0).permutation(len(reference))]
    assert score(metric, reference.positions, shuffled)["energy_w1_kt"] == 0


def test_mirror_image_has_the_same_energies(metric: Energy, reference: Trajectories) -> None:
    mirrored = reference.positions * np.array([-1, 1, 1], dtype=np.float32)
    assert score(metric, reference.positions, mirrored)["energy_w1_kt"] < CELL_KT


def test_a_reference_without_energies_is_refused(
    make_context: Callable[..., MetricContext], reference: Trajectories
) -> None:
    broken = reference.positions.copy()
    broken[3] = np.nan
    with pytest.raises(DataError, match="1 reference frames"):
        Energy.fit(make_context(reference=reference.replace_positions(broken)))


def test_no_frames_no_score(metric: Energy, reference: Trajectories) -> None:
    empty = Frames(reference.positions[None, :0])
    scores = metric.value(metric.statistics(Frames(reference.positions[None]), empty))
    assert all(np.isnan(list(scores.values())))


@pytest.mark.parametrize("kind", [Energy, EnergyTerms])
def test_chunks_and_threads_change_no_score(
    kind: type[Energy | EnergyTerms],
    make_context: Callable[..., MetricContext],
    reference: Trajectories,
    make_frames: Callable[..., NDArray[np.float32]],
    evaluate: Callable[..., dict[str, float]],
) -> None:
    """Of 101 frames the median is one frame's energy: a difference in its last bit would move it to another cell."""
    odd = reference.pick(np.arange(101))
    prediction = make_frames(101, 12, 0.004)
    scores = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            for chunk in (1, 7, 1000):
                metric = kind.fit(make_context(reference=odd))
                scores.append(evaluate(metric, odd.positions, prediction, chunk))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    for other in scores[1:]:
        assert other == pytest.approx(scores[0], rel=1e-9, abs=0, nan_ok=True)
    assert scores[0][kind.id] > 0


@pytest.fixture(scope="module")
def by_term(make_context: Callable[..., MetricContext]) -> EnergyTerms:
    return EnergyTerms.fit(make_context())


def test_distances_of_terms_are_those_of_scipy(
    by_term: EnergyTerms, reference: Trajectories, make_frames: Callable[..., NDArray[np.float32]]
) -> None:
    prediction = make_frames(250, 9, 0.004)
    x, y = (by_term.potential.terms(xyz) / by_term.kt for xyz in (reference.positions, prediction))
    scores = score(by_term, reference.positions, prediction)
    expected = [wasserstein_distance(x[:, term], y[:, term]) for term in range(x.shape[1])]
    for name, distance in zip(by_term.potential.names, expected, strict=True):
        assert scores[f"energy_{name}_w1_kt"] == pytest.approx(distance, abs=CELL_KT)
    assert scores["energy_terms_w1_kt"] == pytest.approx(np.mean(expected), abs=CELL_KT)
    assert np.isnan(scores["energy_cmap_w1_kt"])
    assert np.isnan(scores["energy_urey_bradley_w1_kt"])


def test_terms_that_cancel_in_the_total_are_seen(by_term: EnergyTerms) -> None:
    """Bonds gain what angles lose."""
    names, medians = by_term.potential.names, by_term.medians
    moved = dict(medians)
    moved["bonds"] += 50.0
    moved["angles"] -= 50.0

    def histograms(centres: dict[str, float]) -> dict[str, Additive]:
        return {name: count(np.full(10, centres[name]), CELL_KT, CELLS, medians[name] - CEILING_KT) for name in names}

    scores = by_term.value(Statistics(reference=histograms(medians), prediction=histograms(moved)))
    assert scores["energy_bonds_w1_kt"] == pytest.approx(50.0, abs=CELL_KT)
    assert scores["energy_angles_w1_kt"] == pytest.approx(50.0, abs=CELL_KT)
    assert scores["energy_terms_w1_kt"] == pytest.approx(100.0 / len(names), abs=CELL_KT)


def test_terms_of_the_reference_and_of_bad_frames(by_term: EnergyTerms, reference: Trajectories) -> None:
    xyz = reference.positions
    same = score(by_term, xyz, xyz[np.random.default_rng(0).permutation(len(xyz))])
    assert {value for value in same.values() if not np.isnan(value)} == {0.0}
    broken = xyz.copy()
    broken[:200] = np.nan
    scores = score(by_term, xyz, broken)
    for name in by_term.potential.names:  # half of the frames at the ceiling
        assert scores[f"energy_{name}_w1_kt"] == pytest.approx(CEILING_KT / 2, rel=0.01)
    growing = [score(by_term, xyz, jittered(xyz, sd))["energy_terms_w1_kt"] for sd in (0.0, 0.002, 0.005, 0.01, 0.03)]
    assert all(np.diff(growing) > 0)
