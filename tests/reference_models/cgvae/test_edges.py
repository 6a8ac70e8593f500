"""Filtered sums against full matrices, their gradients against finite differences, neighbours against all pairs."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backmapbench.reference_models.cgvae import edges
from backmapbench.reference_models.cgvae.edges import Graph, filtered_sum, filtered_sum_along, memberships, neighbours

K = 3


@pytest.fixture(params=["edge by edge", "by products"], autouse=True)
def _way(request, monkeypatch):
    """Both ways of taking sums."""
    if request.param == "by products":
        monkeypatch.setattr(edges, "FEW", 0)


@pytest.fixture
def points():
    return torch.from_numpy(np.random.default_rng(0).normal(scale=2.0, size=(9, 3)))


@pytest.fixture
def graph(points):
    return Graph.of(points, points, neighbours(points.numpy()[None], 3.0))


def dense(points, cutoff, listed):
    between = points[None] - points[:, None]
    distance = np.sqrt((between**2).sum(-1) + 3e-8)
    near = (np.sqrt((between**2).sum(-1)) <= listed) & ~np.eye(len(points), dtype=bool)
    envelope = np.where(distance < cutoff, 0.5 * (np.cos(np.pi * distance / cutoff) + 1), 0.0)
    functions = [np.sin(k * np.pi * distance / cutoff) / distance * envelope for k in range(1, K + 1)]
    return near * np.stack([*functions, envelope]), between / distance[..., None]


def test_sums_are_those_of_full_matrices(points, graph):
    rng = np.random.default_rng(1)
    features, weights = rng.normal(size=(9, 4)), rng.normal(size=(K + 1, 4))
    basis, unit = dense(points.numpy(), 2.5, 3.0)
    filters = np.einsum("kij,kc->ijc", basis, weights)
    values = graph.radial(K, 2.5)
    given_features, given_weights = torch.from_numpy(features), torch.from_numpy(weights)
    np.testing.assert_allclose(
        filtered_sum(graph, values, given_features, given_weights),
        np.einsum("ijc,jc->ic", filters, features),
        atol=1e-12,
    )
    np.testing.assert_allclose(
        filtered_sum_along(graph, values, given_features, given_weights),
        np.einsum("ijc,jc,ijx->ixc", filters, features, unit),
        atol=1e-12,
    )


@pytest.mark.parametrize("function", [filtered_sum, filtered_sum_along])
def test_gradients_are_those_of_finite_differences(graph, function):
    values = graph.radial(K, 2.5)
    features = torch.randn(9, 2, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(K + 1, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, w: function(graph, values, x, w), (features, weights))


def test_gradients_between_different_sets(points):
    """From atoms to beads there are more senders than receivers."""
    beads = points[:2]
    graph = Graph.of(beads, points, memberships(np.array([0, 1, 0, 1, 1, 0, 0, 0, 1]), 1, 2))
    values = graph.radial(K, 20.0)
    features = torch.randn(9, 2, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(K + 1, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, w: filtered_sum(graph, values, x, w), (features, weights))


@given(st.integers(0, 2**32 - 1), st.floats(0.5, 6.0))
@settings(max_examples=30, deadline=None)
def test_neighbours_are_all_pairs_within_the_cutoff(seed, cutoff):
    frames = np.random.default_rng(seed).normal(scale=2.0, size=(2, 8, 3))
    expected = set()
    for number, frame in enumerate(frames):
        distance = np.linalg.norm(frame[:, None] - frame, axis=-1)
        first, second = np.nonzero((distance <= cutoff) & ~np.eye(8, dtype=bool))
        expected |= {(int(i) + 8 * number, int(j) + 8 * number) for i, j in zip(first, second, strict=True)}
    found = neighbours(frames, cutoff)
    assert set(map(tuple, found.T.tolist())) == expected
    assert found.shape[1] == len(expected)


def test_filters_vanish_at_their_cutoff():
    points = torch.tensor([[0.0, 0, 0], [0, 0, 1.999], [0, 0, 2.0], [0, 2.5, 0]], dtype=torch.float64)
    graph = Graph.of(points, points, np.array([[0, 0, 0], [1, 2, 3]]))
    values = graph.radial(K, 2.0)
    assert (values[:, 1:] == 0).all()
    assert (values[:, 0].abs() < 1e-4).all()


def test_two_points_in_one_place_do_no_harm():
    points = torch.zeros(2, 3)
    graph = Graph.of(points, points, neighbours(points.numpy()[None], 1.0))
    assert torch.isfinite(graph.radial(K, 1.0)).all()
    assert (graph.unit == 0).all()
