"""Correlation times against processes that have known ones."""

import numpy as np
import pytest
from scipy.signal import lfilter

from backmapbench.blocks import BLOCK_TIMES
from backmapbench.correlation import block_frames, integrated_times, slow_series, task_block_frames


def process(memory, frames, seed=0):
    decay = np.exp(-1 / memory)
    noise = np.random.default_rng(seed).normal(size=frames)
    noise[1:] *= np.sqrt(1 - decay**2)
    return lfilter([1.0], [1.0, -decay], noise)


@pytest.mark.parametrize("memory", [3.0, 20.0])
def test_the_time_of_an_exponential_decay(memory):
    series = process(memory, 200_000)[:, None].astype(complex)
    exact = 0.5 / np.tanh(0.5 / memory)
    assert integrated_times(series, (200_000,), 2000)[0] == pytest.approx(exact, rel=0.08)


def test_the_slowest_series_sets_the_block():
    series = np.stack([process(2.0, 100_000, 1), process(10.0, 100_000, 2)], axis=1).astype(complex)
    assert block_frames(series, (100_000,)) == pytest.approx(10.5 * BLOCK_TIMES, rel=0.1)


def test_white_noise_has_half_a_frame():
    series = np.random.default_rng(0).normal(size=(50_000, 1)).astype(complex)
    assert integrated_times(series, (25_000, 25_000), 1000)[0] == pytest.approx(0.5, abs=0.02)


def test_trajectories_in_basins_of_their_own_are_never_cut():
    """Fast motion about means that differ: within a trajectory nothing shows that it never leaves."""
    parts = [process(1.0, 500, seed) + 5 * (seed % 2) for seed in range(10)]
    series = np.concatenate(parts)[:, None].astype(complex)
    assert block_frames(series, (500,) * 10) == float("inf")
    assert np.isfinite(block_frames(series[:500], (500,)))


def test_a_still_or_undefined_series_does_not_count():
    series = np.stack([process(3.0, 4000), np.full(4000, 2.0), np.full(4000, np.nan)], axis=1).astype(complex)
    times = integrated_times(series[:, :2], (4000,), 100)
    assert np.isnan(times[1])
    assert block_frames(series[:, :2], (4000,)) == BLOCK_TIMES * times[0]
    assert block_frames(series[:, 1:2], (4000,)) == 1.0


def test_frames_too_few_to_tell_stay_whole():
    assert block_frames(np.zeros((3, 1), dtype=complex), (3,)) == float("inf")


def test_the_embedded_task_keeps_its_trajectories_whole(task):
    """Its trajectories of 2 ns never cross phi = 0, and start in different basins."""
    assert task_block_frames(task, task.atoms("test")) == float("inf")


def test_observables_are_unit_vectors_and_a_length(task):
    reference = task.atoms("validation")
    series = slow_series(task, reference)
    assert len(series) == len(reference)
    assert np.allclose(np.abs(series[:, 1:]), 1)
    assert 0.1 < series[0, 0].real < 0.5
    assert (series[:, 0].imag == 0).all()
