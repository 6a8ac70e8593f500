"""Parts that encoder, prior and decoder share."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn


class Perceptron(nn.Sequential):
    """Linear, non-linearity, linear."""

    def __init__(self, inputs: int, outputs: int, between: nn.Module | None = None, hidden: int | None = None) -> None:
        hidden = inputs if hidden is None else hidden
        super().__init__(nn.Linear(inputs, hidden), between or nn.SiLU(), nn.Linear(hidden, outputs))


class Message(nn.Module):
    """phi(h_j) * w(d_ij): a perceptron of the sender and a radial filter of the edge, channel by channel.

    Weights are Xavier-uniform and biases 0, as published.
    """

    def __init__(self, width: int, outputs: int, edge_features: int, hidden: int | None = None) -> None:
        super().__init__()
        self.phi = Perceptron(width, outputs, hidden=hidden)
        self.filter = nn.Linear(edge_features, outputs)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def weights(self) -> Tensor:
        """The filter's weights (edge_features + 1, outputs) on what ``Graph.radial`` gives; its bias comes last."""
        return torch.cat([self.filter.weight.T, self.filter.bias[None]])


class Messages(nn.ModuleList):
    """One message per layer."""

    def __init__(self, depth: int, width: int, outputs: int, edge_features: int, hidden: int | None = None) -> None:
        super().__init__(Message(width, outputs, edge_features, hidden) for _ in range(depth))

    def __iter__(self) -> Iterator[Message]:
        """The messages in turn."""
        return (layer for layer in super().__iter__() if isinstance(layer, Message))


class Head(nn.Module):
    """Mean and standard deviation of a bead's latent from its features."""

    def __init__(self, width: int, between: type[nn.Module], floor: float, hidden: int | None = None) -> None:
        super().__init__()
        self.mean = Perceptron(width, width, between(), hidden)
        self.log_variance = Perceptron(width, width, between(), hidden)
        self.floor = floor

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(mean, standard deviation), each (beads, width), of ``features`` (beads, width)."""
        return self.mean(features), self.floor + torch.exp(self.log_variance(features) / 2)


class Update(nn.Module):
    """PaiNN's update of scalars S (nodes, width) and vectors V (nodes, 3, width) of one node (Schuett et al. 2021)."""

    def __init__(self, width: int, hidden: int | None = None) -> None:
        super().__init__()
        self.left = nn.Linear(width, width, bias=False)
        self.right = nn.Linear(width, width, bias=False)
        self.gates = Perceptron(2 * width, 3 * width, hidden=hidden or width)

    def forward(self, scalars: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Both after the update."""
        left, right = self.left(vectors), self.right(vectors)
        # The small number keeps the gradient of the norm finite where vectors are 0: beads without neighbours.
        norm = torch.sqrt((right**2).sum(1) + 1e-8)
        a, b, c = self.gates(torch.cat([scalars, norm], dim=-1)).chunk(3, dim=-1)
        return scalars + b * (left * right).sum(1) + c, vectors + a[:, None] * left
