"""The whole network: encoder, prior, decoder and the lifting of channels to atoms."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from backmapbench.errors import SubmissionError
from backmapbench.reference_models.cgvae.decoder import Decoder
from backmapbench.reference_models.cgvae.edges import Graph, memberships, neighbours
from backmapbench.reference_models.cgvae.encoder import Encoder, Prior
from backmapbench.reference_models.cgvae.losses import Normal, divergence, graph_loss, reconstruction
from backmapbench.reference_models.cgvae.settings import Behaviour, Preset
from backmapbench.reference_models.cgvae.structure import Structure


class CgvaeNetwork(nn.Module):
    """Conditional variational auto-encoder of one molecule's atoms given its beads; lengths in Angstrom.

    Every atom's displacement from its bead is one vector channel of the bead; the weighted mean of a bead's
    displacements is taken off, so that atoms have the beads they were asked for. The output turns, moves and is
    reflected with the beads (three beads: turns and moves; see ``Decoder``).

    Raises SubmissionError when a bead has more atoms than the network has channels.
    """

    numbers: Tensor
    bead: Tensor
    channel: Tensor
    share: Tensor
    pairs: Tensor
    real: Tensor

    def __init__(self, preset: Preset, behaviour: Behaviour, structure: Structure) -> None:
        super().__init__()
        settings = preset.model
        if structure.largest_bead > settings.width:
            raise SubmissionError(
                f"cgvae: a bead has {structure.largest_bead} atoms, the preset's width is {settings.width}; "
                "every atom needs a channel: widen it"
            )
        self.preset, self.behaviour, self.beads = preset, behaviour, structure.beads
        self.list_cutoff = settings.encoder_cutoff_angstrom or settings.atom_cutoff_angstrom
        self.encoder = Encoder(settings)
        self.prior = Prior(settings, structure.beads)
        self.decoder = Decoder(settings, behaviour, structure.beads)
        constants = {
            "numbers": torch.from_numpy(structure.numbers),
            "bead": torch.from_numpy(structure.bead),
            "channel": torch.from_numpy(structure.channel),
            "share": torch.from_numpy(structure.share).float(),
            "pairs": torch.from_numpy(structure.pairs(preset.loss.order)),
            "real": torch.from_numpy(structure.numbers > 0),
        }
        for name, constant in constants.items():
            self.register_buffer(name, constant, persistent=False)

    def forward(self, atoms: Tensor, noise: Tensor) -> dict[str, Tensor]:
        """Terms of the loss for ``atoms`` (frames, atoms, 3) and standard normal ``noise`` (frames, beads, width)."""
        beads = self.coarse(atoms)
        graph = self._bead_graph(beads)
        posterior, prior = self._posterior(atoms, beads), self.prior(graph, len(atoms))
        found = self._decode(_drawn(posterior, noise), beads, graph)
        kl_weight, graph_weight = self.preset.loss.kl_weight, self.preset.loss.graph_weight
        terms = {
            "reconstruction": reconstruction(found[:, self.real], atoms[:, self.real]),
            "divergence": divergence(posterior, prior, self.behaviour),
            "graph": graph_loss(found, atoms, self.pairs),
        }
        total = terms["reconstruction"] + kl_weight * terms["divergence"] + graph_weight * terms["graph"]
        return {"loss": total} | terms

    @torch.no_grad()
    def sample(self, beads: Tensor, noise: Tensor) -> Tensor:
        """Atoms (frames, atoms, 3) of beads (frames, beads, 3), latents from the PRIOR: noise 0 is its mean.

        No atom is moved from its bead by more than the bead cutoff before the bead's mean is taken off.
        """
        graph = self._bead_graph(beads)
        return self._decode(_drawn(self.prior(graph, len(beads)), noise), beads, graph, self._longest)

    @torch.no_grad()
    def reconstruct(self, atoms: Tensor, noise: Tensor) -> Tensor:
        """Atoms from latents of the POSTERIOR, which reads the very atoms that are to be found."""
        beads = self.coarse(atoms)
        latents = _drawn(self._posterior(atoms, beads), noise)
        return self._decode(latents, beads, self._bead_graph(beads), self._longest)

    def coarse(self, atoms: Tensor) -> Tensor:
        """Bead positions (frames, beads, 3) of atoms (frames, atoms, 3)."""
        out = atoms.new_zeros(len(atoms), self.beads, 3)
        return out.index_add_(1, self.bead, atoms * self.share[:, None])

    def _bead_graph(self, beads: Tensor) -> Graph:
        points = beads.flatten(0, 1)
        edges = neighbours(beads.detach().cpu().numpy(), self.preset.model.bead_cutoff_angstrom)
        return Graph.of(points, points, edges)

    def _posterior(self, atoms: Tensor, beads: Tensor) -> Normal:
        points = atoms.flatten(0, 1)
        near = Graph.of(points, points, neighbours(atoms.detach().cpu().numpy(), self.list_cutoff))
        owners = Graph.of(beads.flatten(0, 1), points, memberships(self.bead.cpu().numpy(), len(atoms), self.beads))
        found: Normal = self.encoder(self.numbers.repeat(len(atoms)), near, owners)
        return found

    @property
    def _longest(self) -> float:
        return self.preset.model.bead_cutoff_angstrom

    def _decode(self, latents: Tensor, beads: Tensor, graph: Graph, longest: float | None = None) -> Tensor:
        vectors: Tensor = self.decoder(latents, graph).reshape(*beads.shape[:2], 3, -1)
        displaced = vectors.transpose(2, 3)[:, self.bead, self.channel]
        if longest is not None:
            displaced = _within(displaced, longest)
        return (beads - self.coarse(displaced))[:, self.bead] + displaced


def _drawn(normal: Normal, noise: Tensor) -> Tensor:
    mean, deviation = normal
    return mean + deviation * noise.flatten(0, 1)


def _within(vectors: Tensor, longest: float) -> Tensor:
    """``vectors`` (..., 3) cut to a length of ``longest``; those that overflowed become 0.

    Messages multiply vectors with vectors, layer upon layer: beads closer than any in training can give numbers beyond
    all bounds, in ``legacy`` above all, whose filters few training frames reach.
    """
    lengths = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    cut = vectors * (longest / lengths.clamp(min=longest))
    return torch.where(torch.isfinite(lengths) & torch.isfinite(vectors), cut, 0.0)
