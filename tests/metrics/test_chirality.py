"""Chirality: inverted, flat and undefined centres, and the reference's own handedness."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import mdtraj
import numpy as np
import pytest
from numpy.typing import NDArray

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import CardError
from backmapbench.metrics.base import MetricContext
from backmapbench.metrics.chirality import Chirality

MakeContext = Callable[..., MetricContext]
Evaluate = Callable[..., dict[str, float]]
N, CA, CB, C = 6, 8, 10, 14


@pytest.fixture(scope="module")
def metric(make_context: MakeContext) -> Chirality:
    return Chirality.fit(make_context())


def test_mirror_image_is_all_wrong(metric: Chirality, reference: Trajectories, evaluate: Evaluate) -> None:
    found = evaluate(metric, reference.positions, reference.positions * np.float32([1, 1, -1]))
    assert found == {"chirality_percent": 100.0, "chirality_percent_raw": 100.0, "chirality_undefined_percent": 0.0}


def test_share_of_inverted_frames(metric: Chirality, reference: Trajectories, evaluate: Evaluate) -> None:
    mixed = reference.positions.copy()
    mixed[:30] *= -1
    assert evaluate(metric, reference.positions, mixed)["chirality_percent"] == pytest.approx(100 * 30 / 400)


@pytest.mark.parametrize("place", ["one point", "plane", "nowhere"])
def test_flat_and_undefined_centres_count(
    metric: Chirality, reference: Trajectories, evaluate: Evaluate, place: str
) -> None:
    flat = reference.positions.copy()
    if place == "one point":
        flat[:] = 0.0
    elif place == "plane":
        flat[:, CA] = flat[:, [N, CB, C]].mean(axis=1)
    else:
        flat[:, CA] = np.nan
    scores = evaluate(metric, reference.positions, flat)
    assert scores["chirality_percent"] == 100.0
    assert scores["chirality_undefined_percent"] == (0.0 if place == "plane" else 100.0)


def test_threshold_is_a_setting(make_context: MakeContext, rest: NDArray, evaluate: Evaluate) -> None:
    frames = np.repeat(rest[None].astype(np.float64), 10, axis=0)
    plane = frames[:, [N, CB, C]].mean(axis=1)
    # Towards the plane of its three neighbours the volume shrinks in proportion to the height.
    frames[:, CA] = plane + np.arange(0.05, 1.0, 0.1)[:, None] * (frames[:, CA] - plane)
    full = abs(np.linalg.det([rest[i].astype(float) - rest[CA] for i in (N, CB, C)])) * 1e3
    for flat, share in ((0.0, 0), (0.3 * full, 3), (0.6 * full, 6)):
        metric = Chirality.fit(make_context(flat_angstrom3=flat))
        scores = evaluate(metric, np.repeat(rest[None], 10, axis=0), frames)
        assert scores["chirality_percent_raw"] == pytest.approx(10.0 * share)


@pytest.mark.parametrize("flat", [-0.1, "0.5", np.nan, np.inf])
def test_a_senseless_threshold_is_refused(make_context: MakeContext, flat: object) -> None:
    with pytest.raises(CardError, match="flat_angstrom3"):
        Chirality.fit(make_context(flat_angstrom3=flat))


def test_the_reference_sets_the_handedness(
    make_context: MakeContext, reference: Trajectories, evaluate: Evaluate
) -> None:
    mirrored = reference.replace_positions(-reference.positions)
    other_hand = Chirality.fit(make_context(reference=mirrored))
    assert evaluate(other_hand, mirrored.positions, mirrored.positions)["chirality_percent_raw"] == 0.0
    assert evaluate(other_hand, mirrored.positions, reference.positions)["chirality_percent_raw"] == 100.0


def test_a_mixed_reference_is_judged_by_its_majority(
    make_context: MakeContext, reference: Trajectories, evaluate: Evaluate
) -> None:
    mixed = reference.positions.copy()
    mixed[:100] *= np.float32(-3.0)  # a quarter inverted, with volumes large enough to turn the mean
    metric = Chirality.fit(make_context(reference=reference.replace_positions(mixed)))
    scores = evaluate(metric, mixed, reference.positions)
    assert scores["chirality_percent_raw"] == 0.0
    assert scores["chirality_percent"] == pytest.approx(25.0)


def test_glycine_alone_is_refused(make_context: MakeContext, make_topology: Callable[..., mdtraj.Topology]) -> None:
    glycine = make_topology([[("GLY", "N CA C O")]], bonds=[(0, 1), (1, 2), (2, 3)])
    frames = np.zeros((2, 4, 3), dtype=np.float32)
    with pytest.raises(CardError, match="chiral centres"):
        Chirality.fit(replace(make_context(), topology=glycine, reference=Trajectories(frames, (2,), None)))
