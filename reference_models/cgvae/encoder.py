"""Encoder q(z | atoms, beads) and prior p(z | beads): invariants of every bead.

The published networks carry vectors along too, but have no block that lets them act on the invariants, and only these
reach the output: the vectors are left out here, which changes no number.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from backmapbench.reference_models.cgvae.edges import Graph, filtered_sum
from backmapbench.reference_models.cgvae.layers import Head, Messages
from backmapbench.reference_models.cgvae.settings import ModelSettings

ELEMENTS = 100
POOLING_CUTOFF_ANGSTROM = 20.0
"""Atoms farther from their bead are invisible to the encoder; hard-coded in the published code."""


class Encoder(nn.Module):
    """Messages between atoms, each followed by one from every atom to its bead."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        width, functions = settings.width, settings.edge_features
        self.settings = settings
        self.embedding = nn.Embedding(ELEMENTS, width)
        self.atoms = Messages(settings.encoder_depth, width, width, functions, settings.hidden)
        self.pooling = Messages(settings.encoder_depth, width, width, functions, settings.hidden)
        self.head = Head(width, nn.ReLU, 1e-12, settings.hidden)

    def forward(self, numbers: Tensor, atoms: Graph, owners: Graph) -> tuple[Tensor, Tensor]:
        """Mean and deviation (beads, width) of the latents.

        ``numbers`` (atoms,) are atomic numbers; ``atoms`` has edges between atoms, ``owners`` from atoms to beads.
        The neighbour list ends at the atom cutoff, but the filter on it at the bead cutoff, as published.
        """
        functions = self.settings.edge_features
        near = atoms.radial(functions, self.settings.bead_cutoff_angstrom)
        pooled = owners.radial(functions, POOLING_CUTOFF_ANGSTROM)
        h = self.embedding(numbers)
        beads: Tensor | None = None
        for message, pooling in zip(self.atoms, self.pooling, strict=True):
            h = h + filtered_sum(atoms, near, message.phi(h), message.weights())
            beads = _mean(owners, h) if beads is None else beads
            beads = beads + filtered_sum(owners, pooled, pooling.phi(h), pooling.weights())
        found: tuple[Tensor, Tensor] = self.head(beads)
        return found


class Prior(nn.Module):
    """Messages between beads that know themselves by their index alone: one molecule and mapping per network.

    The published table of 100 embeddings, whose first is padding and stays 0, is one row per bead here.
    """

    def __init__(self, settings: ModelSettings, beads: int) -> None:
        super().__init__()
        self.settings = settings
        self.embedding = nn.Embedding(beads, settings.width)
        width, hidden = settings.width, settings.hidden
        self.messages = Messages(settings.prior_depth, width, width, settings.edge_features, hidden)
        self.head = Head(width, nn.Tanh, 1e-9, hidden)

    def forward(self, graph: Graph, frames: int) -> tuple[Tensor, Tensor]:
        """Mean and deviation (frames x beads, width) of the latents; ``graph`` has the edges between beads."""
        near = graph.radial(self.settings.edge_features, self.settings.bead_cutoff_angstrom)
        h = self.embedding.weight.repeat(frames, 1)
        for message in self.messages:
            h = h + filtered_sum(graph, near, message.phi(h), message.weights())
        found: tuple[Tensor, Tensor] = self.head(h)
        return found


def _mean(owners: Graph, features: Tensor) -> Tensor:
    """Mean of the features (atoms, width) of each bead's atoms."""
    ones = torch.ones_like(owners.distance)[None]
    counts = filtered_sum(owners, ones, features.new_ones(len(features), 1), features.new_ones(1, 1))
    return filtered_sum(owners, ones, features, features.new_ones(1, features.shape[1])) / counts
