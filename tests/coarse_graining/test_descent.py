"""Single moves weighed at once, against the objective recomputed after each; descent to where none gains."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from backmapbench.coarse_graining.descent import descend, fill_empty_beads
from backmapbench.coarse_graining.hard_beads import HardBeads
from backmapbench.coarse_graining.objective import objective_of_moment, second_moment

seeds = st.integers(0, 2**32 - 1)


@st.composite
def moments(draw, fewest_frames=1):
    """Second moment of random walks, and an assignment without empty beads of 2 or more beads."""
    particles, frames = draw(st.integers(3, 10)), draw(st.integers(fewest_frames, 20))
    beads = draw(st.integers(2, particles))
    rng = np.random.default_rng(draw(seeds))
    labels = rng.permutation(np.concatenate([np.arange(beads), rng.integers(0, beads, particles - beads)]))
    walks = np.cumsum(rng.normal(size=(frames, particles, 3)), axis=1)
    return second_moment(walks), labels.astype(np.intp), beads


def total(moment, labels):
    return objective_of_moment(moment, labels).total_nm2


def moved(labels, particle, bead):
    changed = labels.copy()
    changed[particle] = bead
    return changed


def check_moves(hard, moment, beads):
    labels = hard.labels
    values = hard.values_of_moves(np.arange(len(labels)))
    for particle, bead in itertools.product(range(len(labels)), range(beads)):
        changed = moved(labels, particle, bead)
        if len(np.unique(changed)) < beads:
            assert np.isinf(values[particle, bead])
        else:
            np.testing.assert_allclose(values[particle, bead], total(moment, changed), rtol=1e-6, atol=1e-8)


@given(moments(fewest_frames=8))
@settings(max_examples=40)
def test_all_moves_are_weighed_as_if_made(system):
    moment, labels, beads = system
    check_moves(HardBeads(moment, labels, beads), moment, beads)


@given(moments(fewest_frames=8), seeds)
@settings(max_examples=40)
def test_sums_follow_a_chain_of_moves(system, seed):
    moment, labels, beads = system
    rng = np.random.default_rng(seed)
    hard = HardBeads(moment, labels, beads)
    for _ in range(6):
        values = hard.values_of_moves(np.arange(len(labels)))
        choices = np.argwhere(np.isfinite(values))
        particle, bead = choices[rng.integers(len(choices))]
        hard.move(int(particle), int(bead))
        np.testing.assert_allclose(hard.value, total(moment, hard.labels), rtol=1e-6, atol=1e-8)
    check_moves(hard, moment, beads)


def test_with_fewer_directions_than_beads_only_the_lift_counts():
    walk = np.cumsum(np.random.default_rng(5).normal(size=(1, 12, 3)), axis=1)
    moment = second_moment(walk)
    labels = np.repeat(np.arange(6), 2).astype(np.intp)
    check_moves(HardBeads(moment, labels, 6), moment, 6)


@given(moments())
@settings(max_examples=40)
def test_descent_never_loses_empties_no_bead_and_ends_where_no_move_gains(system):
    moment, labels, beads = system
    found = descend(moment, labels, beads)
    assert len(np.unique(found)) == beads
    value = total(moment, found)
    assert value <= total(moment, labels)
    for particle, bead in itertools.product(range(len(labels)), range(beads)):
        changed = moved(found, particle, bead)
        if len(np.unique(changed)) == beads:
            assert total(moment, changed) >= value * (1 - 1e-6) - 1e-9


def test_the_given_assignment_is_left_alone():
    moment = second_moment(np.random.default_rng(2).normal(size=(9, 8, 3)))
    labels = np.array([0, 1] * 4, dtype=np.intp)
    descend(moment, labels, 2)
    fill_empty_beads(moment, labels, 4)
    np.testing.assert_array_equal(labels, [0, 1] * 4)


@given(moments(), seeds)
def test_filling_leaves_no_bead_empty_and_full_beads_alone(system, seed):
    moment, _, beads = system
    drawn = np.random.default_rng(seed).integers(0, beads, len(moment)).astype(np.intp)
    found = fill_empty_beads(moment, drawn, beads)
    assert len(np.unique(found)) == beads
    assert (found != drawn).sum() == beads - len(np.unique(drawn))
    np.testing.assert_array_equal(fill_empty_beads(moment, found, beads), found)


def test_the_particle_farthest_from_its_bead_goes_first():
    positions = np.zeros((1, 5, 3))
    positions[0, :, 0] = [0.0, 0.1, 0.2, 5.0, -0.1]
    found = fill_empty_beads(second_moment(positions), np.zeros(5, dtype=np.intp), 2)
    np.testing.assert_array_equal(found, [0, 0, 0, 1, 0])
