"""Edges of graphs, and filtered sums over them that never hold a feature per edge.

A message of the networks is a sum over senders j of w(d_ij) * x_j, channel by channel, with a filter that is linear in
a few functions B_k of the distance: w_c(d) = sum_k W_kc B_k(d). So the sum over edges is one of K products of a sparse
matrix B_k (receivers, senders) with a dense W_k * x: memory grows as edges x K + nodes x channels, where a message per
edge would take edges x channels. Where that is little, as on a graph of few beads, one array of it is faster than K
products. Positions are data: gradients flow to features and weights alone.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

SOFT = 3e-8  # Angstrom^2 under the root: keeps a distance of 0 harmless
FEW = 2_000_000  # numbers on edges that are held at once: some 10 MB

with warnings.catch_warnings():  # torch says once per process that its CSR layout is in beta
    warnings.simplefilter("ignore")
    torch.sparse_csr_tensor([0, 0], [], torch.zeros(0), (1, 1), check_invariants=False)


@dataclass(frozen=True)
class _Pattern:
    """Rows and columns of a CSR matrix, and where its values lie among those of the graph."""

    rows: Tensor
    columns: Tensor
    order: Tensor
    shape: tuple[int, int]

    @classmethod
    def of(cls, receiver: NDArray[np.intp], sender: NDArray[np.intp], shape: tuple[int, int]) -> _Pattern:
        order = np.lexsort((sender, receiver))
        rows = np.concatenate([[0], np.cumsum(np.bincount(receiver, minlength=shape[0]))])
        # 32-bit indices: half the memory, and what the sparse product of the CPU library takes.
        return cls(_tensor(rows, np.int32), _tensor(sender[order], np.int32), _tensor(order, np.int64), shape)

    def to(self, device: torch.device) -> _Pattern:
        return _Pattern(self.rows.to(device), self.columns.to(device), self.order.to(device), self.shape)

    def product(self, values: Tensor, dense: Tensor) -> Tensor:
        """The matrix with ``values`` (edges,) times ``dense`` (columns, channels)."""
        matrix = torch.sparse_csr_tensor(
            self.rows, self.columns, values[self.order], self.shape, check_invariants=False
        )
        product: Tensor = matrix @ dense
        return product


@dataclass(frozen=True)
class Graph:
    """Edges from senders to receivers of a batch of frames.

    Attributes:
        distance: (edges,), Angstrom.
        unit: (3, edges), from receiver to sender.
        ends: (2, edges), receiver and sender.
        forward: the edges by receiver.
        backward: the same edges by sender.
    """

    distance: Tensor
    unit: Tensor
    ends: Tensor
    forward: _Pattern
    backward: _Pattern

    @classmethod
    def of(cls, receivers: Tensor, senders: Tensor, edges: NDArray[np.intp]) -> Graph:
        """``edges`` (2, edges) index positions of receivers (r, 3) and of senders (s, 3), Angstrom."""
        device = receivers.device
        to, origin = (torch.from_numpy(np.ascontiguousarray(side)).to(device) for side in edges)
        between = (senders[origin] - receivers[to]).detach()
        distance = torch.sqrt((between**2).sum(-1) + SOFT)
        shape = (len(receivers), len(senders))
        return cls(
            distance,
            (between / distance[:, None]).T.contiguous(),
            torch.stack([to, origin]),
            _Pattern.of(edges[0], edges[1], shape).to(device),
            _Pattern.of(edges[1], edges[0], shape[::-1]).to(device),
        )

    def radial(self, functions: int, cutoff: float) -> Tensor:
        """B (functions + 1, edges): sin(k pi d / c) / d for k = 1, 2, ... and 1, each under the cosine envelope.

        The last row carries a filter's bias. All are 0 from the cutoff c on.
        """
        scaled = torch.pi * self.distance / cutoff
        envelope = 0.5 * (torch.cos(scaled) + 1) * (self.distance < cutoff)
        order = torch.arange(1, functions + 1, device=scaled.device, dtype=scaled.dtype)
        waves = torch.sin(order[:, None] * scaled) / self.distance
        return torch.cat([waves, torch.ones_like(scaled)[None]]) * envelope


def neighbours(frames: NDArray[np.floating], cutoff: float) -> NDArray[np.intp]:
    """All ordered pairs (2, edges) of points of one frame at most ``cutoff`` apart, by a tree search.

    ``frames`` is (frames, points, 3); indices run over frames and points.
    """
    points = frames.shape[1]
    found = [
        cKDTree(frame).query_pairs(cutoff, output_type="ndarray") + number * points
        for number, frame in enumerate(frames)
    ]
    pairs = np.concatenate(found).astype(np.intp).T
    return np.concatenate([pairs, pairs[::-1]], axis=1)


def memberships(bead: NDArray[np.intp], frames: int, beads: int) -> NDArray[np.intp]:
    """Edges (2, frames x atoms) from every atom to its bead; ``bead`` (atoms,)."""
    atoms = np.arange(frames * len(bead))
    owners = (np.arange(frames)[:, None] * beads + bead).ravel()
    return np.stack([owners, atoms])


def filtered_sum(graph: Graph, values: Tensor, features: Tensor, weights: Tensor) -> Tensor:
    """sum_j w(d_ij) x_j: (receivers, channels) of ``features`` (senders, channels).

    ``values`` (k, edges) are functions of the edges, ``weights`` (k, channels) the filter's.
    """
    if graph.ends.shape[1] * features.shape[1] <= FEW:
        return _gathered(graph, _messages(graph, values, features, weights))
    apply: Any = _FilteredSum.apply
    summed: Tensor = apply(features, weights, values, None, graph)
    return summed


def filtered_sum_along(graph: Graph, values: Tensor, features: Tensor, weights: Tensor) -> Tensor:
    """sum_j w(d_ij) x_j u_ij: (receivers, 3, channels), u the unit vector of the edge."""
    if 3 * graph.ends.shape[1] * features.shape[1] <= FEW:
        messages = _messages(graph, values, features, weights)
        return _gathered(graph, messages[:, None] * graph.unit.T[:, :, None])
    apply: Any = _FilteredSum.apply
    return torch.stack([apply(features, weights, values, axis, graph) for axis in graph.unit], dim=1)


def _messages(graph: Graph, values: Tensor, features: Tensor, weights: Tensor) -> Tensor:
    """w(d_ij) x_j of every edge, (edges, channels)."""
    return (values.T @ weights) * features.index_select(0, graph.ends[1])


def _gathered(graph: Graph, messages: Tensor) -> Tensor:
    """Sums over each receiver's edges."""
    out = messages.new_zeros(graph.forward.shape[0], *messages.shape[1:])
    return out.index_add(0, graph.ends[0], messages)


class _FilteredSum(torch.autograd.Function):
    """The sum over edges and its gradients, one function of the edges after the other."""

    @staticmethod
    def forward(
        context: Any, features: Tensor, weights: Tensor, values: Tensor, axis: Tensor | None, graph: Graph
    ) -> Tensor:
        context.save_for_backward(features, weights, values, axis)
        context.graph = graph
        out = features.new_zeros(graph.forward.shape[0], features.shape[1])
        for value, weight in zip(values, weights, strict=True):
            out += graph.forward.product(value if axis is None else value * axis, features * weight)
        return out

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        features, weights, values, axis = context.saved_tensors
        gradient = gradient.contiguous()
        to_features, to_weights = torch.zeros_like(features), torch.empty_like(weights)
        for row, (value, weight) in enumerate(zip(values, weights, strict=True)):
            back = context.graph.backward.product(value if axis is None else value * axis, gradient)
            to_weights[row] = (features * back).sum(0)
            to_features += back.mul_(weight)
        return to_features, to_weights, None, None, None


def _tensor(array: NDArray[Any], kind: Any) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=kind))
