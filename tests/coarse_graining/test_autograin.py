"""AutoGrain: its loss, its schedule, and what every returned assignment must be."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backmapbench.coarse_graining import ANNEALED, LEGACY, Schedule
from backmapbench.coarse_graining.assignment import numbered
from backmapbench.coarse_graining.autograin import autograin
from backmapbench.coarse_graining.objective import objective
from backmapbench.coarse_graining.settings import variant_settings
from backmapbench.coarse_graining.soft_assignment import loss, train
from backmapbench.errors import DataError, UnknownNameError

QUICK = replace(ANNEALED, schedule=Schedule(updates=60), restarts=3)
QUICK_LEGACY = replace(LEGACY, schedule=replace(LEGACY.schedule, epochs=40))


def blocks(sizes, frames=40, noise=0.02, seed=0):
    """Positions (frames, sum(sizes), 3), nm, of stiff blocks that move independently of each other."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(frames, len(sizes), 3)) + 3 * np.arange(len(sizes))[:, None]
    return np.repeat(centres, sizes, axis=1) + noise * rng.normal(size=(frames, sum(sizes), 3))


def walks(particles, frames, seed):
    return np.cumsum(np.random.default_rng(seed).normal(scale=0.2, size=(frames, particles, 3)), axis=1)


def test_the_loss_is_the_published_one():
    rng = torch.Generator().manual_seed(3)
    frames = torch.randn((7, 6, 3), generator=rng)
    soft = torch.softmax(torch.randn((2, 6, 3), generator=rng), dim=-1)
    decoder = torch.randn((2, 3, 6), generator=rng)
    found = loss(frames, soft, decoder, 0.25)
    for restart in range(2):
        means = soft[restart] / soft[restart].sum(dim=0)
        beads = torch.einsum("ab,fai->fbi", means, frames)
        decoded = torch.einsum("ba,fbi->fai", decoder[restart], beads)
        lifted = torch.einsum("ab,fbi->fai", soft[restart], beads)
        reconstruction = ((frames - decoded) ** 2).mean()
        lift = ((frames - lifted) ** 2).sum(dim=-1).mean()
        assert float(found[restart]) == pytest.approx(float(reconstruction + 0.25 * lift), rel=1e-5)


def test_with_a_hard_assignment_and_the_best_decoder_the_loss_is_the_objective():
    positions = walks(8, 30, 0)
    labels = np.array([0, 0, 1, 1, 1, 2, 2, 2])
    centred = positions - positions.mean(axis=1, keepdims=True)
    beads = np.stack([centred[:, labels == bead].mean(axis=1) for bead in range(3)], axis=1)
    decoder = np.linalg.lstsq(
        beads.transpose(0, 2, 1).reshape(-1, 3), centred.transpose(0, 2, 1).reshape(-1, 8), rcond=1e-9
    )[0]
    as_torch = [torch.tensor(part, dtype=torch.float64) for part in (centred, np.eye(3)[labels][None], decoder[None])]
    assert float(loss(*as_torch, 0.25)) == pytest.approx(objective(positions, labels).total_nm2, rel=1e-9)


def test_the_temperature_falls_by_default_and_stays_in_the_legacy_variant():
    schedule = ANNEALED.schedule
    falling = [schedule.temperature(done) for done in np.linspace(0, 1, 21)]
    assert falling[0] == pytest.approx(1.0)
    assert falling[-1] == pytest.approx(0.025)
    assert all(later <= earlier for earlier, later in itertools.pairwise(falling))
    assert {LEGACY.schedule.temperature(done) for done in np.linspace(0, 1, 21)} == {1.0}


def test_the_temperature_reaches_the_training():
    frames = walks(9, 20, 1)
    cold, warm = (
        train(frames, 3, 1, Schedule(updates=30, tau_end=end), torch.Generator().manual_seed(0)) for end in (0.025, 1.0)
    )
    assert not np.allclose(cold, warm)


def test_the_legacy_variant_is_as_published():
    schedule = LEGACY.schedule
    assert (schedule.learning_rate, schedule.batch_frames, schedule.epochs) == (4e-3, 32, 1500)
    assert schedule.lift_weight == 0.25
    assert schedule.updates_for(900) == 1500 * 29
    assert (LEGACY.restarts, LEGACY.maximum_frames, LEGACY.used_fraction, LEGACY.descent) == (1, 1000, 0.9, False)
    assert {schedule.rate(done) for done in (0.0, 0.5, 1.0)} == {4e-3}


@pytest.mark.parametrize("chosen", [QUICK, QUICK_LEGACY], ids=["annealed", "legacy"])
@given(particles=st.integers(2, 14), frames=st.integers(1, 12), share=st.floats(0.1, 0.5), seed=st.integers(0, 2**31))
@settings(max_examples=6)
def test_every_bead_has_particles_and_the_seed_decides_all(chosen, particles, frames, share, seed):
    beads = max(1, round(share * particles))
    positions = walks(particles, frames, seed)
    found = autograin(positions, beads, seed, chosen)
    assert found.shape == (particles,)
    np.testing.assert_array_equal(np.unique(found), np.arange(beads))
    np.testing.assert_array_equal(numbered(found), found)
    np.testing.assert_array_equal(autograin(positions, beads, seed, chosen), found)


def test_as_many_beads_as_particles_is_one_each():
    np.testing.assert_array_equal(autograin(walks(7, 5, 0), 7, 0, QUICK), np.arange(7))


def test_one_bead_takes_all():
    np.testing.assert_array_equal(autograin(walks(7, 5, 0), 1, 0, QUICK), np.zeros(7))


def test_nothing_global_decides():
    """Neither torch's and numpy's own generators nor the number of threads; and none of them is touched."""
    positions = walks(12, 20, 4)
    expected = autograin(positions, 4, 5, QUICK)
    threads = torch.get_num_threads()
    try:
        torch.manual_seed(99)
        np.random.seed(99)
        torch.set_num_threads(2)
        state = torch.get_rng_state()
        np.testing.assert_array_equal(autograin(positions, 4, 5, QUICK), expected)
        assert torch.get_num_threads() == 2
        assert torch.equal(torch.get_rng_state(), state)
    finally:
        torch.set_num_threads(threads)


@given(st.lists(st.integers(1, 5), min_size=2, max_size=5), st.integers(0, 1000))
@settings(max_examples=6)
def test_stiff_blocks_are_found(sizes, seed):
    positions = blocks(sizes, seed=seed)
    order = np.random.default_rng(seed).permutation(sum(sizes))
    truth = np.repeat(np.arange(len(sizes)), sizes)
    found = autograin(positions[:, order], len(sizes), seed, replace(QUICK, restarts=8))
    np.testing.assert_array_equal(found, numbered(truth[order]))


@pytest.mark.parametrize("seed", range(3))
def test_no_assignment_of_a_small_system_is_better(seed):
    """Brute force over all 966 ways to put 8 particles into 3 beads."""
    positions = walks(8, 25, seed)
    ways = {tuple(numbered(np.array(labels))) for labels in itertools.product(range(3), repeat=8)}
    ways = [labels for labels in ways if len(set(labels)) == 3]
    assert len(ways) == 966
    best = min(objective(positions, labels).total_nm2 for labels in ways)
    found = objective(positions, autograin(positions, 3, seed, replace(QUICK, restarts=8))).total_nm2
    assert found == pytest.approx(best, rel=1e-9)


def test_the_default_is_no_worse_than_without_descent_from_the_same_trainings():
    positions = walks(20, 30, 11)
    with_descent, without = (
        objective(positions, autograin(positions, 6, 2, replace(QUICK, descent=on))).total_nm2 for on in (True, False)
    )
    assert with_descent <= without


def test_beads_that_training_cannot_fill_are_an_error_where_it_only_learns_anew():
    never = replace(QUICK_LEGACY, schedule=replace(LEGACY.schedule, epochs=1))
    with pytest.raises(DataError, match="20 trainings all left one of 14 beads empty"):
        autograin(walks(14, 4, 0), 14, 0, never)


@pytest.mark.parametrize("beads", [0, 8])
def test_a_number_of_beads_that_cannot_be_had_is_refused(beads):
    with pytest.raises(DataError, match=f"{beads} beads asked for of 7 particles"):
        autograin(walks(7, 5, 0), beads, 0, QUICK)


def test_frames_that_are_not_finite_are_refused():
    positions = walks(7, 5, 0)
    positions[3] = np.inf
    with pytest.raises(DataError, match="not finite"):
        autograin(positions, 2, 0, QUICK)


def test_only_so_many_frames_are_learned_from():
    positions = walks(6, 50, 0)
    few = replace(QUICK, maximum_frames=10)
    spaced = np.linspace(0, 49, 10).round().astype(int)
    np.testing.assert_array_equal(autograin(positions, 3, 1, few), autograin(positions[spaced], 3, 1, QUICK))


def test_variants_are_known_by_name():
    assert variant_settings("annealed") is ANNEALED
    assert variant_settings("legacy") is LEGACY
    with pytest.raises(UnknownNameError, match="did you mean annealed"):
        variant_settings("anealed")
