from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from backmapbench.errors import CardError
from backmapbench.metrics import Frames, MetricContext
from backmapbench.metrics.hidden_torsion_timescale import HiddenTorsionTimescale

LAG = 60


@pytest.fixture(scope="module")
def metric(make_context: Callable[..., MetricContext]) -> HiddenTorsionTimescale:
    return HiddenTorsionTimescale.fit(make_context(maximum_lag_frames=LAG))


def score(metric: HiddenTorsionTimescale, reference: Frames, prediction: NDArray[np.float32]) -> dict[str, float]:
    return metric.value(metric.statistics(reference, Frames(prediction[None])))


def worst(metric: HiddenTorsionTimescale, frames: Frames) -> float:
    tau = metric.times(metric.statistics(frames, frames).reference)
    return float(np.maximum(np.log(tau / 0.5), np.log(LAG / tau)).mean())


def test_methyls_hop_slowly_and_the_rest_is_too_fast_to_count(
    metric: HiddenTorsionTimescale, frames: Frames, make_context: Callable[..., MetricContext]
) -> None:
    # The synthetic reference hops phi, psi and methyls only; peptide planes and hydrogens only shake.
    every = make_context().hidden_torsions
    assert metric.quads.tolist() == every[[0, 4, 9]].tolist()
    times = metric.times(metric.statistics(frames, frames).reference)
    assert (times > 4).all()
    others = replace(metric, quads=np.delete(every, [0, 4, 9], axis=0))
    assert (others.times(others.statistics(frames, frames).reference) < 2).all()


def test_random_order_has_half_a_frame(metric: HiddenTorsionTimescale, frames: Frames) -> None:
    shuffled = frames.xyz[0, np.random.default_rng(0).permutation(frames.xyz.shape[1])]
    scores = score(metric, frames, shuffled)
    tau = metric.times(metric.statistics(frames, frames).reference)
    assert scores["hidden_torsion_timescale_log_error"] == pytest.approx(np.log(tau / 0.5).mean(), rel=0.3)
    assert scores["hidden_torsion_timescale_ps"] < 1.0


def test_every_second_frame_is_twice_as_fast(
    metric: HiddenTorsionTimescale, frames: Frames, make_frames: Callable[..., NDArray[np.float32]]
) -> None:
    slow = make_frames(4000, 3)
    fast = metric.times(metric.statistics(frames, Frames(slow[None, ::4])).prediction)
    times = metric.times(metric.statistics(frames, Frames(slow[None])).prediction)
    np.testing.assert_allclose(fast, times / 4, rtol=0.35)


def test_frozen_torsions_are_worst(metric: HiddenTorsionTimescale, frames: Frames) -> None:
    scores = score(metric, frames, np.repeat(frames.xyz[0, :1], 400, axis=0))
    assert scores["hidden_torsion_timescale_log_error"] == pytest.approx(worst(metric, frames))
    assert scores["hidden_torsion_timescale_frozen"] == 3
    assert np.isnan(scores["hidden_torsion_timescale_ps"])


def test_undefined_frames_pull_towards_the_worst(metric: HiddenTorsionTimescale, frames: Frames) -> None:
    half = frames.xyz[0].copy()
    half[200:] = 0.0
    whole = np.zeros_like(half)
    limit = worst(metric, frames)
    part = score(metric, frames, half)["hidden_torsion_timescale_log_error"]
    own = score(metric, frames, half[:200])["hidden_torsion_timescale_log_error"]
    assert part == pytest.approx(own / 2 + limit / 2, rel=1e-6)
    assert score(metric, frames, whole)["hidden_torsion_timescale_log_error"] == pytest.approx(limit)


def test_nothing_is_worse_than_the_worst(metric: HiddenTorsionTimescale, frames: Frames) -> None:
    towards = np.random.default_rng(0).normal(size=(1, 22, 3))
    drift = frames.xyz[0, :1] + np.linspace(0, 0.02, 400)[:, None, None] * towards
    found = score(metric, frames, drift.astype(np.float32))["hidden_torsion_timescale_log_error"]
    assert found <= worst(metric, frames) + 1e-12


def test_a_reference_without_slow_torsions_has_no_score(metric: HiddenTorsionTimescale, frames: Frames) -> None:
    fast = replace(metric, quads=metric.quads[:0])
    assert np.isnan(score(fast, frames, frames.xyz[0])["hidden_torsion_timescale_log_error"])


def test_lag_of_zero_is_refused(make_context: Callable[..., MetricContext]) -> None:
    with pytest.raises(CardError, match="maximum_lag_frames = 0"):
        HiddenTorsionTimescale.fit(make_context(maximum_lag_frames=0))
