"""Training as the shared engine wants it told."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Generator, Tensor, nn

from backmapbench.reference_models.internal_coordinates.data import Examples
from backmapbench.reference_models.internal_coordinates.geometry import unit
from backmapbench.reference_models.internal_coordinates.layout import Chainwise
from backmapbench.reference_models.internal_coordinates.measuring import peptide_turns
from backmapbench.reference_models.internal_coordinates.network import (
    TorsionNetwork,
    candidates_of,
    directions_of,
)
from backmapbench.reference_models.internal_coordinates.placing import (
    CA,
    ENDS,
    TORSIONS,
    Axes,
    N,
    place_backbone,
    windows,
)
from backmapbench.reference_models.internal_coordinates.settings import Preset
from backmapbench.reference_models.internal_coordinates.tables import Internals
from backmapbench.reference_models.training import Draw
from backmapbench.reference_models.training.adamw import AdamWLearner


class Likelihood(nn.Module):
    """Mean negative log density per residue of the torsions of known atoms, nats."""

    def __init__(self, network: TorsionNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, draw: Draw, chains: Chainwise) -> dict[str, Tensor]:
        """Of what the learner draws."""
        ca, torsions, columns = draw["ca"], draw["torsions"], Internals(draw["internals"])
        turns = peptide_turns(ca, draw["atoms"], chains)
        backbone, _ = place_backbone(ca, chains, turns.nan_to_num(), torsions.nan_to_num(), columns)
        context, residue_axes = self.network.surroundings(ca, chains)
        context = context * draw["kept"]
        axes = Axes.of(windows(ca, chains))
        out = axes.side(turns.nan_to_num())
        residues = chains.real.sum()
        turn = self._turns(context, residue_axes, axes, backbone, out, turns, columns, chains) / residues
        directions = directions_of(residue_axes, backbone, out, chains)
        torsion = self._torsions(context, directions, torsions) / residues
        return {"loss": turn + torsion, "turns": turn, "torsions": torsion}

    def _turns(
        self,
        context: Tensor,
        residue_axes: Tensor,
        axes: Axes,
        backbone: Tensor,
        out: Tensor,
        turns: Tensor,
        columns: Internals,
        chains: Chainwise,
    ) -> Tensor:
        joined = chains.joined[..., None]
        to_n = unit(backbone[..., N, :] - backbone[..., CA, :]) * joined
        before = out.roll(1, dims=1) * joined
        candidates = candidates_of(axes, columns, self.network.circle.centres)
        pair = torch.cat([context, context.roll(-1, dims=1)], dim=-1)
        logits = self.network.turn_logits((pair, residue_axes), before, to_n, candidates)
        found = ~turns.isnan()
        return -self.network.circle.log_density(logits[found], turns[found]).sum()

    def _torsions(self, context: Tensor, directions: Tensor, torsions: Tensor) -> Tensor:
        frame, residue, slot = (~torsions.isnan()).nonzero(as_tuple=True)
        logits = self.network.torsion_logits(
            context[frame, residue], directions[frame, residue], torsions[frame, residue], slot
        )
        return -self.network.circle.log_density(logits, torsions[frame, residue, slot]).sum()


class TorsionLearner(AdamWLearner):
    """Draws frames and noise on their C-alphas; minimises the negative log density of torsions."""

    def __init__(self, preset: Preset, network: TorsionNetwork, training: Examples, validation: Examples) -> None:
        super().__init__(Likelihood(network), preset.training)
        self._preset, self._data = preset, {True: training, False: validation}
        self.training_examples, self.validation_examples = len(training), len(validation)

    def draw(self, examples: Tensor, generator: Generator, *, training: bool) -> Draw:
        """Molecule and atoms, and C-alphas with noise; validation has the same noise."""
        data, noise = self._data[training], self._preset.noise
        atoms, internals = data.atoms[examples], data.internals[examples]
        count = len(examples)
        size = noise.largest_nm * torch.rand(count, generator=generator)
        size = size * (torch.rand(count, generator=generator) < noise.share)
        ca = atoms[..., CA, :].nan_to_num()
        ca = ca + size[:, None, None] * torch.randn(ca.shape, generator=generator)
        torsions = data.torsions[examples]
        # Part of the draw, so that everything random is a function of seed and step.
        network = self._preset.network
        kept = torch.ones(*ca.shape[:2], network.width)
        if training and network.dropout:
            kept = (torch.rand(kept.shape, generator=generator) >= network.dropout) / (1 - network.dropout)
        return {
            "molecule": data.molecule[examples],
            "atoms": atoms,
            "internals": internals,
            "torsions": torsions,
            "ca": ca,
            "kept": kept,
        }

    def losses(self, network: nn.Module, draw: Draw, step: int) -> dict[str, Tensor]:
        """``"loss"`` and its two parts, nats per residue."""
        chains = self._data[True].chains.of(draw["molecule"])
        terms: dict[str, Tensor] = network(draw, chains)
        return terms

    def description(self) -> dict[str, Any]:
        """Preset and data."""
        frames = self._data[True].atoms[..., CA, :].nan_to_num().numpy().tobytes()
        return {
            "preset": self._preset.model_dump(mode="json", exclude_none=True),
            "torsions": TORSIONS - ENDS,
            "training_frames": hashlib.sha256(frames).hexdigest(),
        }
