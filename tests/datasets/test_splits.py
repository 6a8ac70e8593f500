"""Rules that cut trajectories into splits."""

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from pydantic import ValidationError

from backmapbench.datasets.splits import Cut, Variant, divide, take
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import DataError

lengths_of = st.lists(st.integers(30, 90), min_size=4, max_size=8)
SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}


def one(kind, parts, **options):
    return Variant(note="", cuts=[Cut(kind=kind, parts=parts, **options)])


def frames(segments):
    return [frame for start, stop in segments for frame in range(start, stop)]


@given(
    lengths=lengths_of,
    kind=st.sampled_from(["contiguous", "blocks", "trajectories", "shuffled"]),
    gap=st.integers(0, 2),
)
def test_no_frame_twice_none_invented_and_no_segment_across_an_end(lengths, kind, gap):
    options = {"seed": 3} if kind == "shuffled" else {"gap_frames": gap} if kind != "trajectories" else {}
    parts = {"train": 0.5, "validation": 0.25, "test": 0.25} if kind == "trajectories" else SHARES
    found = divide(lengths, one(kind, parts, **options))
    seen = [frame for segments in found.values() for frame in frames(segments)]
    assert len(seen) == len(set(seen))
    assert set(seen) <= set(range(sum(lengths)))
    owner = np.repeat(np.arange(len(lengths)), lengths)
    for segments in found.values():
        for start, stop in segments:
            assert stop > start
            assert len(set(owner[start:stop])) == 1
    if not options.get("gap_frames"):
        assert len(seen) == sum(lengths)


@given(lengths=lengths_of, gap=st.integers(1, 3))
def test_blocks_keep_their_distance_in_time(lengths, gap):
    try:
        found = divide(lengths, one("blocks", SHARES, gap_frames=gap))
    except DataError as error:  # short data between wide gaps
        if "left without a frame" not in str(error):
            raise
        reject()
    owner = np.repeat(np.arange(len(lengths)), lengths)
    sets = {name: np.array(frames(segments)) for name, segments in found.items()}
    for name, mine in sets.items():
        for other, theirs in sets.items():
            close = np.abs(mine[:, None] - theirs) <= gap
            same = owner[mine][:, None] == owner[theirs]
            assert name == other or not (close & same).any()


def test_whole_trajectories_are_dealt_in_order_or_by_seed():
    lengths = [10, 20, 30, 40]
    plain = divide(lengths, one("trajectories", {"train": 3, "test": 1}))
    assert plain == {"train": [(0, 10), (10, 30), (30, 60)], "test": [(60, 100)]}
    drawn = [divide(lengths, one("trajectories", {"train": 3, "test": 1}, seed=seed)) for seed in range(8)]
    assert drawn[0] == divide(lengths, one("trajectories", {"train": 3, "test": 1}, seed=0))
    assert len({str(found["test"]) for found in drawn}) > 1


def test_shuffled_frames_are_neighbours_in_train_and_test():
    found = divide([500], one("shuffled", SHARES, seed=0))
    train = set(frames(found["train"]))
    near = [frame for frame in frames(found["test"]) if {frame - 1, frame + 1} & train]
    assert len(near) > 45
    assert len(train) == 400


def test_numbers_keep_their_size_and_shares_lose_the_gap():
    assert divide([100], one("contiguous", {"a": 40, "b": 50}, gap_frames=5)) == {"a": [(0, 40)], "b": [(45, 95)]}
    assert divide([100], one("contiguous", {"a": 0.4, "b": 0.6}, gap_frames=5)) == {"a": [(0, 35)], "b": [(40, 100)]}


@pytest.mark.parametrize(
    ("lengths", "cuts", "message"),
    [
        ([10], [Cut(kind="contiguous", parts={"a": 8, "b": 3})], "splits a, b need 11 frames, there are 10"),
        ([10], [Cut(kind="trajectories", parts={"a": 1, "b": 1})], "need 2 trajectories, there are 1"),
        ([10], [Cut(kind="blocks", parts={"a": 1}, trajectories=(1, 2))], "needs trajectories 1 to 1, there are 1"),
        ([3], [Cut(kind="contiguous", parts={"a": 0.9, "b": 0.1})], "split 'b' is left without a frame"),
        (
            [10],
            [Cut(kind="contiguous", parts={"a": 5}), Cut(kind="contiguous", parts={"b": 5})],
            "split 'b' holds frames of another split",
        ),
    ],
)
def test_rules_that_do_not_fit_the_data_are_one_error(lengths, cuts, message):
    with pytest.raises(DataError, match=message):
        divide(lengths, Variant(note="", cuts=cuts))


def test_a_shared_split_may_hold_frames_of_others():
    shared = Cut(kind="contiguous", parts={"fresh": 5}, shared=True)
    found = divide([10], Variant(note="", cuts=[Cut(kind="contiguous", parts={"train": 8}), shared]))
    assert found == {"train": [(0, 8)], "fresh": [(0, 5)]}


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "contiguous", "parts": {"a": 0.7, "b": 0.7}},
        {"kind": "contiguous", "parts": {"a": 0.5, "b": 3}},
        {"kind": "contiguous", "parts": {"a": 0}},
        {"kind": "contiguous", "parts": {"a": 1}, "seed": 1},
        {"kind": "shuffled", "parts": {"a": 1}},
        {"kind": "shuffled", "parts": {"a": 1}, "seed": 1, "gap_frames": 1},
        {"kind": "trajectories", "parts": {"a": 1}, "gap_frames": 1},
    ],
)
def test_rules_that_contradict_themselves_are_refused(wrong):
    with pytest.raises(ValidationError):
        Cut(**wrong)


@given(lengths=lengths_of, kind=st.sampled_from(["contiguous", "blocks", "shuffled"]))
def test_taking_a_split_takes_its_frames(lengths, kind):
    positions = np.arange(sum(lengths), dtype=np.float32)[:, None, None] * np.ones((1, 2, 3), np.float32)
    data = Trajectories(positions, tuple(lengths), 2.0)
    segments = divide(lengths, one(kind, SHARES, **({"seed": 1} if kind == "shuffled" else {})))["validation"]
    part = take(data, segments)
    np.testing.assert_array_equal(part.positions[:, 0, 0], frames(segments))
    assert part.lengths == tuple(stop - start for start, stop in segments)
    drawn = len(segments) > 1 and all(stop - start == 1 for start, stop in segments)
    assert part.frame_ps == (None if drawn else 2.0)
