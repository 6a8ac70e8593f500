"""A training step of ``cgvae`` beside a dense version, and its peak memory at the size of eIF4E.

Molecules are chains of serine-like residues, six heavy atoms each, on a random walk: 62 residues and 8 beads at the
settings of Table 6 of Kementzidis 2025 (PED00151), 248 residues in a ball and 10 beads at those of Table 4 (eIF4E).
"""

import mdtraj
import numpy as np
import torch

from backmapbench.coarse_graining import CoarseMapping
from backmapbench.coarse_graining.grouping import contiguous
from backmapbench.reference_models.cgvae.losses import divergence, graph_loss, reconstruction
from backmapbench.reference_models.cgvae.network import CgvaeNetwork
from backmapbench.reference_models.cgvae.settings import load_preset
from backmapbench.reference_models.cgvae.structure import Structure
from backmapbench.submissions import System

ATOMS = {"N": "N", "CA": "C", "C": "C", "O": "O", "CB": "C", "OG": "O"}
RISE_ANGSTROM = 3.8
BALL_ANGSTROM = 26.0  # keeps the walk at the radius of gyration of eIF4E, 16.3 Angstrom, and about its density


def molecule(residues, beads):
    """A chain of serines and its runs of residues as beads."""
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for number in range(residues):
        residue = topology.add_residue("SER", chain, resSeq=number + 1)
        for name, symbol in ATOMS.items():
            topology.add_atom(name, mdtraj.element.get_by_symbol(symbol), residue)
    topology.create_standard_bonds()
    atoms = np.arange(topology.n_atoms)
    owner = contiguous(topology, atoms, beads)
    groups = [atoms[owner == bead].tolist() for bead in range(beads)]
    return System(topology, CoarseMapping.from_groups(groups, len(atoms), [f"B{bead}" for bead in range(beads)]), 300.0)


def walks(residues, frames, radius=np.inf, seed=0):
    """Frames (frames, atoms, 3), Angstrom: residues on a walk of 3.8 Angstrom steps that stays within ``radius``."""
    rng = np.random.default_rng(seed)
    places = np.zeros((frames, residues, 3))
    for number in range(1, residues):
        step = rng.normal(size=(frames, 3))
        step *= RISE_ANGSTROM / np.linalg.norm(step, axis=-1, keepdims=True)
        there = places[:, number - 1] + step
        outside = np.linalg.norm(there, axis=-1, keepdims=True) > radius
        places[:, number] = np.where(outside, places[:, number - 1] - step, there)
    spread = rng.normal(size=(frames, residues, len(ATOMS), 3))
    return torch.from_numpy((places[:, :, None] + spread).reshape(frames, -1, 3).astype(np.float32))


class DenseNetwork:
    """The same numbers from full matrices, frame by frame: a feature for every pair of nodes."""

    def __init__(self, network):
        self.network, self.settings = network, network.preset.model

    def losses(self, atoms, noise):
        network, found, posteriors, priors = self.network, [], [], []
        for frame, draw in zip(atoms, noise, strict=True):
            beads = network.coarse(frame[None])[0]
            posteriors.append(self.encoder(frame, beads))
            priors.append(self.prior(beads))
            mean, deviation = posteriors[-1]
            found.append(self.decode(mean + deviation * draw, beads))
        found = torch.stack(found)
        posterior, prior = (
            tuple(torch.cat([pair[part] for pair in pairs]) for part in (0, 1)) for pairs in (posteriors, priors)
        )
        terms = reconstruction(found, atoms), divergence(posterior, prior, network.behaviour)
        weights = network.preset.loss
        graph = graph_loss(found, atoms, network.pairs)
        return terms[0] + weights.kl_weight * terms[1] + weights.graph_weight * graph, found

    def encoder(self, frame, beads):
        network, settings = self.network.encoder, self.settings
        near = _Pairs(frame, frame, self.network.list_cutoff, settings.edge_features, settings.bead_cutoff_angstrom)
        member = torch.nn.functional.one_hot(self.network.bead, len(beads)).T.to(frame.dtype)
        pool = _Pairs(beads, frame, np.inf, settings.edge_features, 20.0)
        h = network.embedding(self.network.numbers)
        pooled = None
        for message, pooling in zip(network.atoms, network.pooling, strict=True):
            h = h + near.sum(near.filters(message) * message.phi(h))
            pooled = member @ h / member.sum(1, keepdim=True) if pooled is None else pooled
            pooled = pooled + (member[..., None] * pool.filters(pooling) * pooling.phi(h)).sum(1)
        return network.head(pooled)

    def prior(self, beads):
        network, settings = self.network.prior, self.settings
        near = _Pairs(
            beads, beads, settings.bead_cutoff_angstrom, settings.edge_features, settings.bead_cutoff_angstrom
        )
        h = network.embedding.weight
        for message in network.messages:
            h = h + near.sum(near.filters(message) * message.phi(h))
        return network.head(h)

    def decode(self, latents, beads):
        network = self.network.decoder
        near = _Pairs(beads, beads, self.settings.bead_cutoff_angstrom, self.settings.edge_features, network.cutoff)
        s, t = latents, torch.full_like(latents, network.handedness)
        v, p = (latents.new_zeros(len(beads), 3, latents.shape[1]) for _ in range(2))
        for message, update in zip(network.messages, network.updates, strict=True):
            f = (near.filters(message) * message.phi(s)).chunk(9, dim=-1)  # (receivers, senders, width) each
            f = [part[:, :, None] for part in f]
            mine, other = v[:, None].expand(-1, len(beads), -1, -1), v[None].expand(len(beads), -1, -1, -1)
            pseudo, other_pseudo = p[:, None].expand_as(mine), p[None].expand_as(mine)
            unit, scalar = near.unit[..., None], t[:, None, None]
            new = [
                s + near.sum(f[0][:, :, 0] * s[:, None]),
                t + near.sum((mine * other_pseudo).sum(2)),
                v
                + near.sum(
                    f[1] * unit
                    + f[2] * other
                    + f[3] * torch.linalg.cross(mine, other_pseudo, dim=2)
                    + f[4] * scalar * other_pseudo
                ),
                p
                + near.sum(
                    f[5] * other_pseudo
                    + f[6] * scalar * other
                    + f[7] * torch.linalg.cross(mine, other, dim=2)
                    + f[8] * torch.linalg.cross(pseudo, other_pseudo, dim=2)
                ),
            ]
            s, t, v, p = new
            s, v = update(s, v)
        displaced = v.transpose(1, 2)[self.network.bead, self.network.channel]
        return (beads - self.network.coarse(displaced[None])[0])[self.network.bead] + displaced


class _Pairs:
    """Every pair of receivers and senders, and which of them are neighbours."""

    def __init__(self, receivers, senders, listed, functions, cutoff):
        between = senders[None] - receivers[:, None]
        true = (between**2).sum(-1).sqrt()
        distance = ((between**2).sum(-1) + 3e-8).sqrt()
        self.unit = between / distance[..., None]
        self.neighbour = (true <= listed).to(true.dtype)
        if receivers is senders:
            self.neighbour.fill_diagonal_(0)
        waves = [torch.sin(k * torch.pi * distance / cutoff) / distance for k in range(1, functions + 1)]
        envelope = 0.5 * (torch.cos(torch.pi * distance / cutoff) + 1) * (distance < cutoff)
        self.basis, self.envelope = torch.stack(waves, dim=-1), envelope[..., None]

    def filters(self, message):
        return message.filter(self.basis) * self.envelope

    def sum(self, values):
        mask = self.neighbour.reshape(*self.neighbour.shape, *[1] * (values.dim() - 2))
        return (mask * values).sum(1)


class _Step:
    timeout = 900
    number = 1
    repeat = 3
    warmup_time = 0
    version = "1"
    preset, residues, beads, frames, radius = "ped00151-ucg-8", 62, 8, 1, np.inf

    def build(self):
        preset = load_preset(self.preset)
        torch.manual_seed(0)
        system = molecule(self.residues, self.beads)
        self.network = CgvaeNetwork(preset, "fixed", Structure.of(system))
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=preset.training.learning_rate)
        self.atoms = walks(self.residues, self.frames, self.radius)
        self.noise = torch.randn(self.frames, self.beads, preset.model.width)

    def step(self, loss):
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.network.preset.training.clip)
        self.optimiser.step()


class Training(_Step):
    """One step on one frame of 372 atoms and 8 beads, F = 400."""

    params = ["sparse", "dense"]
    param_names = ["edges"]

    def setup(self, edges):
        self.build()
        self.losses = (
            (lambda: DenseNetwork(self.network).losses(self.atoms, self.noise)[0])
            if edges == "dense"
            else (lambda: self.network(self.atoms, self.noise)["loss"])
        )

    def time_step(self, edges):
        self.step(self.losses())

    def peakmem_step(self, edges):
        self.step(self.losses())


class TrainingLarge(_Step):
    """One step on two frames of 1,488 atoms and 10 beads, F = 400."""

    preset, residues, beads, frames, radius = "eif4e-ucg-10", 248, 10, 2, BALL_ANGSTROM
    repeat = 1

    def setup(self):
        self.build()

    def time_step(self):
        self.step(self.network(self.atoms, self.noise)["loss"])

    def peakmem_step(self):
        self.step(self.network(self.atoms, self.noise)["loss"])


class Sampling(_Step):
    """Prior and decoder on 64 frames of 8 beads."""

    frames = 64

    def setup(self):
        self.build()
        self.given = self.network.coarse(self.atoms)

    def time_backmap(self):
        self.network.sample(self.given, self.noise)
