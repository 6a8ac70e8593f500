from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import DataError
from backmapbench.metrics import Frames, MetricContext
from backmapbench.metrics.energy import CEILING_KT, CELL_KT, Energy


@pytest.fixture(scope="module")
def metric(make_context: Callable[..., MetricContext]) -> Energy:
    return Energy.fit(make_context())


def jittered(xyz: NDArray[np.float32], sd_nm: float) -> NDArray[np.float32]:
    noise = np.random.default_rng(5).normal(size=xyz.shape)
    return (xyz + sd_nm * noise).astype(np.float32)


def score(metric: Energy, reference: NDArray[np.float32], prediction: NDArray[np.float32]) -> dict[str, float]:
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
