"""Decoder: latents on the bead graph to vectors of every bead, equivariant to rotation and reflection."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from backmapbench.reference_models.cgvae.edges import Graph, filtered_sum, filtered_sum_along
from backmapbench.reference_models.cgvae.layers import Message, Messages, Update
from backmapbench.reference_models.cgvae.settings import Behaviour, ModelSettings

FLAT = 3  # beads that always lie in a plane
CHANNELS = 9  # f0 to f8


class Decoder(nn.Module):
    """Scalars, pseudo-scalars, vectors and pseudo-vectors of beads, updated by messages from bead to bead.

    Edges reach to the bead cutoff in both behaviours; the filters on them end at the bead cutoff (``fixed``) or at the
    atom cutoff (``legacy``). A bead that no filter reaches keeps vectors of exactly 0.
    """

    def __init__(self, settings: ModelSettings, behaviour: Behaviour, beads: int) -> None:
        super().__init__()
        width = settings.width
        self.settings = settings
        self.cutoff = settings.bead_cutoff_angstrom if behaviour == "fixed" else settings.atom_cutoff_angstrom
        # Three beads are their own mirror image: a pseudo-scalar of 1 lets atoms leave their plane to one side.
        self.handedness = float(beads == FLAT)
        depth = settings.decoder_depth
        self.messages = Messages(depth, width, CHANNELS * width, settings.edge_features, settings.hidden)
        self.updates = nn.ModuleList(Update(width, settings.hidden) for _ in range(depth))

    def forward(self, latents: Tensor, graph: Graph) -> Tensor:
        """Vectors (beads, 3, width), Angstrom, of ``latents`` (beads, width)."""
        radial = graph.radial(self.settings.edge_features, self.cutoff)
        beads, width = latents.shape
        state = _State(
            latents,
            torch.full_like(latents, self.handedness),
            latents.new_zeros(beads, 3, width),
            latents.new_zeros(beads, 3, width),
        )
        for message, update in zip(self.messages, self.updates, strict=True):
            state = state.passed(graph, radial, message)
            state.scalars, state.vectors = update(state.scalars, state.vectors)
        return state.vectors


class _State:
    """What beads carry: scalars and pseudo-scalars (beads, width), vectors and pseudo-vectors (beads, 3, width)."""

    def __init__(self, scalars: Tensor, pseudo_scalars: Tensor, vectors: Tensor, pseudo_vectors: Tensor) -> None:
        self.scalars, self.pseudo_scalars = scalars, pseudo_scalars
        self.vectors, self.pseudo_vectors = vectors, pseudo_vectors

    def passed(self, graph: Graph, radial: Tensor, message: Message) -> _State:
        """The state after one message. What belongs to the receiver is taken out of the sums over senders."""
        width = self.scalars.shape[1]
        f = message.phi(self.scalars).chunk(CHANNELS, dim=1)
        w = message.weights().chunk(CHANNELS, dim=1)
        v, p = self.vectors, self.pseudo_vectors
        sent = [(f[2], w[2], v), (f[3], w[3], p), (f[4], w[4], p), (f[5], w[5], p)]
        sent += [(f[6], w[6], v), (f[7], w[7], v), (f[8], w[8], p)]
        features = torch.cat([f[0], *((gate[:, None] * vectors).flatten(1) for gate, _, vectors in sent)], dim=1)
        weights = torch.cat([w[0], *(weight.repeat(1, 3) for _, weight, _ in sent)], dim=1)
        sums = filtered_sum(graph, radial, features, weights)
        own, rest = sums[:, :width], sums[:, width:].reshape(len(sums), len(sent), 3, width)
        s2, s3, s4, s5, s6, s7, s8 = rest.unbind(1)
        turned = self.pseudo_scalars[:, None]
        along = filtered_sum_along(graph, radial, f[1], w[1])
        return _State(
            self.scalars + self.scalars * own,
            self.pseudo_scalars + (v * _plain_sum(graph, p)).sum(1),
            v + along + s2 + torch.linalg.cross(v, s3, dim=1) + turned * s4,
            p + s5 + turned * s6 + torch.linalg.cross(v, s7, dim=1) + torch.linalg.cross(p, s8, dim=1),
        )


def _plain_sum(graph: Graph, vectors: Tensor) -> Tensor:
    """Sum over neighbours without a filter, so that it does not fade at the cutoff, as published."""
    flat = vectors.flatten(1)
    ones = torch.ones_like(graph.distance)[None]
    return filtered_sum(graph, ones, flat, flat.new_ones(1, flat.shape[1])).reshape(vectors.shape)
