from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from backmapbench.metrics import Frames, MetricContext, Statistics
from backmapbench.metrics.eigenvectors import Eigenvectors, cosines
from backmapbench.metrics.markov_model import estimate

STATES = 12
BASIS = np.array([[1.0, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]]) / 2


@pytest.fixture(scope="module")
def fitted(make_context: Callable[..., MetricContext]) -> Eigenvectors:
    return Eigenvectors.fit(make_context(kinetics={"states": STATES, "lag_frames": 2}))


@pytest.fixture(scope="module")
def metric(fitted: Eigenvectors) -> Eigenvectors:
    return Eigenvectors(fitted.space, 2)


def chain(times: tuple[float, ...], shift: int = 0) -> NDArray[np.float64]:
    """Expected counts at lag 2 of four equally likely states whose process i, BASIS[i], relaxes in times[i]."""
    matrix = np.full((4, 4), 0.25) + sum(np.exp(-2 / t) * np.outer(v, v) for t, v in zip(times, BASIS, strict=True))
    counts = np.zeros((STATES, STATES))
    counts[shift : shift + 4, shift : shift + 4] = 1e4 * matrix
    return counts


def score(metric: Eigenvectors, reference: NDArray[np.float64], prediction: NDArray[np.float64]) -> dict[str, float]:
    return metric.value(Statistics({"transitions": reference}, {"transitions": prediction}))


def test_exchanged_processes_are_matched_but_not_as_published(metric: Eigenvectors) -> None:
    scores = score(metric, chain((40.0, 10.0, 0.2)), chain((10.0, 40.0, 0.2)))
    assert scores["eigenvector_error"] == pytest.approx(0, abs=1e-6)
    assert scores["eigenvector_error_as_published"] == pytest.approx(1, abs=1e-6)


def uneven(first: float, seed: int) -> NDArray[np.float64]:
    """Symmetric counts of four states of unequal weight, the first two of which are hard to leave."""
    rng = np.random.default_rng(seed)
    counts = np.zeros((STATES, STATES))
    counts[:4, :4] = np.diag([first, 3000.0, 500.0, 200.0]) + rng.uniform(5.0, 40.0, (4, 4))
    return counts + counts.T


def test_as_published_are_right_vectors_without_weights(fitted: Eigenvectors) -> None:
    sides = uneven(9000.0, 0), uneven(2000.0, 1)
    found = score(Eigenvectors(fitted.space, 2), *sides)
    vectors, weights = [], []
    for counts in sides:
        part = counts[:4, :4]
        values, right = np.linalg.eig(part / part.sum(axis=1, keepdims=True))
        vectors.append(right[:, np.argsort(values)[::-1][1:3]].T)
        weights.append(part.sum(axis=1) / part.sum())

    def unlike(a: NDArray[np.float64], b: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
        products = (a * b * weight).sum(axis=1) / np.sqrt((a * a * weight).sum(axis=1) * (b * b * weight).sum(axis=1))
        return float(1 - np.abs(products).mean())

    assert found["eigenvector_error_as_published"] == pytest.approx(unlike(*vectors, np.ones(4)), rel=1e-6)
    left = [vector * weight for vector, weight in zip(vectors, weights, strict=True)]
    assert found["eigenvector_error"] == pytest.approx(unlike(*left, 1 / weights[0]), rel=1e-6)
    assert abs(found["eigenvector_error_as_published"] - found["eigenvector_error"]) > 1e-3


def test_a_process_below_the_lag_is_missing(metric: Eigenvectors) -> None:
    scores = score(metric, chain((40.0, 10.0, 0.2)), chain((40.0, 1.9, 0.2)))
    assert scores["eigenvector_error"] == pytest.approx(0.5, abs=1e-6)
    assert scores["eigenvector_error_as_published"] == pytest.approx(0, abs=1e-6)


def test_another_process_is_an_error(metric: Eigenvectors) -> None:
    scores = score(metric, chain((40.0, 10.0, 0.2)), chain((0.2, 10.0, 40.0)))
    assert scores["eigenvector_error"] == pytest.approx(0.5, abs=1e-6)


def test_nothing_in_common_and_nothing_at_all(metric: Eigenvectors) -> None:
    assert score(metric, chain((40.0, 10.0, 0.2)), chain((40.0, 10.0, 0.2), shift=4))["eigenvector_error"] == 1
    assert score(metric, chain((40.0, 10.0, 0.2)), np.zeros((STATES, STATES)))["eigenvector_error"] == 1
    assert np.isnan(score(metric, np.zeros((STATES, STATES)), chain((40.0, 10.0, 0.2)))["eigenvector_error"])


def test_reference_matches_itself_where_a_replicate_has_become_fast(metric: Eigenvectors) -> None:
    weak = chain((40.0, 1.0, 0.2))
    assert score(metric, weak, weak) == {"eigenvector_error": 0.0, "eigenvector_error_as_published": 0.0}


def test_only_states_that_both_occupy_count(metric: Eigenvectors) -> None:
    rng = np.random.default_rng(4)
    sides = []
    for first, last in ((0, 8), (3, 12)):
        counts = np.zeros((STATES, STATES))
        block = rng.exponential(0.1, (last - first, last - first)) + 20 * np.eye(last - first)
        counts[first:last, first:last] = block + block.T
        sides.append(counts)
    reference, prediction = (estimate(counts) for counts in sides)
    scale = 1 / np.sqrt(reference.stationary[3:8])
    left, right = reference.left[:2, 3:8] * scale, prediction.left[:, 3:8] * scale
    overlaps = np.abs(left @ right.T) / np.outer(np.linalg.norm(left, axis=1), np.linalg.norm(right, axis=1))
    overlaps = overlaps[:, prediction.timescales(2.0) > 2.0]
    best = max(overlaps[0, i] + overlaps[1, j] for i, j in itertools.permutations(range(overlaps.shape[1]), 2))
    assert overlaps.shape[1] > 2
    assert score(metric, *sides)["eigenvector_error"] == pytest.approx(1 - best / 2)


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 1000))
def test_cosines_are_those_of_scaled_vectors(m: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b, weights = rng.normal(size=(m, 7)), rng.normal(size=(n, 7)), rng.random(7) + 0.1
    left, right = a * np.sqrt(weights), b * np.sqrt(weights)
    expected = np.abs(left @ right.T) / np.linalg.norm(left, axis=1)[:, None] / np.linalg.norm(right, axis=1)
    np.testing.assert_allclose(cosines(a, b, weights), expected, atol=1e-12)
    assert (np.diagonal(cosines(a, a, weights)) == 1).all()
    np.testing.assert_allclose(cosines(a, -3 * b, weights), expected, atol=1e-12)


def test_random_order_destroys_the_processes(fitted: Eigenvectors, frames: Frames) -> None:
    shuffled = frames.xyz[:, np.random.default_rng(0).permutation(frames.xyz.shape[1])]
    assert fitted.value(fitted.statistics(frames, Frames(shuffled)))["eigenvector_error"] > 0.5


@given(st.integers(0, 2**32 - 1), st.integers(2, 60))
def test_a_vector_with_itself_is_exactly_one_in_any_memory_order(seed: int, states: int) -> None:
    rng = np.random.default_rng(seed)
    rows, weights = rng.normal(size=(3, states)), rng.uniform(0.1, 50, size=states)
    for a, b in ((rows, np.asfortranarray(rows)), (np.asfortranarray(rows), np.asfortranarray(rows))):
        assert (np.diagonal(cosines(a, b, weights)) == 1.0).all()
