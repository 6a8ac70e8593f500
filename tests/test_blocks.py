"""Blocks never join trajectories, cover every frame alike, and number what the data can support."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backmapbench.blocks import MAXIMUM_BLOCKS, OVERLAP, BlockPlan

plans = st.tuples(
    st.lists(st.integers(1, 400), min_size=1, max_size=80).map(tuple),
    st.one_of(st.floats(1.0, 300.0), st.just(float("inf"))),
)


@given(plans)
def test_pieces_cut_every_trajectory_completely_and_never_join_two(case):
    lengths, size = case
    plan = BlockPlan.of(lengths, size)
    segments = sorted((s for piece in plan.pieces for s in piece), key=lambda s: s.start)
    assert np.array_equal(np.concatenate([np.arange(s.start, s.stop) for s in segments]), np.arange(sum(lengths)))
    ends = np.cumsum(lengths)
    for segment in segments:
        trajectory = int(np.searchsorted(ends, segment.start, side="right"))
        assert segment.first == ends[trajectory] - lengths[trajectory]
        assert segment.stop <= ends[trajectory]


@given(plans)
def test_every_piece_counts_once_on_average_and_blocks_stay_in_their_stretch(case):
    plan = BlockPlan.of(*case)
    weights = plan.draw(np.random.default_rng(0), 4000)
    pieces = np.zeros(len(plan.pieces))
    for stretch in plan.stretches:
        pieces[stretch.offset : stretch.offset + stretch.count] = stretch.run
    drawn = np.stack([weights[:, s.offset : s.offset + s.count].sum(axis=1) / s.run for s in plan.stretches], axis=1)
    assert np.array_equal(drawn, drawn.round())
    assert (drawn.sum(axis=1) == plan.blocks).all()
    # A piece counts in `run` of the blocks that may be drawn: its weight is binomial with mean 1.
    assert np.abs(weights.mean(axis=0) - 1).max() < 6 / np.sqrt(4000)


@given(plans)
def test_blocks_are_bounded_in_number_and_at_least_as_long_as_asked(case):
    lengths, size = case
    plan = BlockPlan.of(lengths, size)
    assert 1 <= plan.blocks <= 2 * MAXIMUM_BLOCKS
    for stretch in plan.stretches:
        if stretch.run > 1:
            frames = [sum(s.stop - s.start for s in plan.pieces[stretch.offset + k]) for k in range(stretch.count)]
            assert min(frames) * OVERLAP > size - OVERLAP
            assert max(frames) - min(frames) <= 1


def test_short_trajectories_stay_whole():
    plan = BlockPlan.of((100,) * 20, 60.0)
    assert plan.blocks == len(plan.pieces) == 20
    assert all(stretch.run == 1 for stretch in plan.stretches)


def test_long_trajectories_are_cut_beside_short_ones():
    plan = BlockPlan.of((1000, 50, 30), 100.0)
    assert [(s.count, s.run) for s in plan.stretches] == [(20, 2), (1, 1), (1, 1)]
    assert plan.blocks == 12


def test_blocks_run_over_consecutive_pieces_and_wrap_around():
    one = BlockPlan.of((20,), 10.0)  # two blocks of two pieces
    assert one.blocks == 2
    seen = {tuple(row) for row in one.draw(np.random.default_rng(0), 500)}
    starts = [(1, 1, 0, 0), (0, 1, 1, 0), (0, 0, 1, 1), (1, 0, 0, 1)]
    assert seen == {tuple(np.add(a, b)) for a in starts for b in starts}


def test_many_independent_starts_share_blocks():
    plan = BlockPlan.of((1,) * 1000, float("inf"))
    assert plan.blocks == MAXIMUM_BLOCKS
    assert {len(piece) for piece in plan.pieces} == {15, 16}


def test_abundant_data_get_longer_blocks_not_more():
    assert BlockPlan.of((100_000,), 5.0).blocks == MAXIMUM_BLOCKS


@pytest.mark.parametrize("blocks", [20, 64])
def test_moving_blocks_know_the_variance_of_a_mean(blocks):
    """White noise: the spread of replicate means is sigma / sqrt(frames), within the noise of the spread itself."""
    rng = np.random.default_rng(blocks)
    found = []
    for _ in range(60):
        plan = BlockPlan.of((blocks * 40,), 40.0)
        data = rng.normal(size=blocks * 40)
        sums = np.array([data[piece[0].start : piece[0].stop].sum() for piece in plan.pieces])
        found.append((plan.draw(rng, 300) @ sums).var() / (blocks * 40))
    assert np.mean(found) == pytest.approx(1 - 1 / blocks, rel=0.08)
