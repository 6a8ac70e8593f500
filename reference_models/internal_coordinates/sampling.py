"""Drawing structures: turns along every chain, then torsions, then anew where side chains overlap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from backmapbench.reference_models.internal_coordinates.geometry import unit
from backmapbench.reference_models.internal_coordinates.layout import Chainwise
from backmapbench.reference_models.internal_coordinates.network import TorsionNetwork, candidates_of, directions_of
from backmapbench.reference_models.internal_coordinates.overlaps import Overlaps, Propose, relieve
from backmapbench.reference_models.internal_coordinates.placing import (
    ENDS,
    PHI_LAST,
    PSI_FIRST,
    PSI_LAST,
    TORSIONS,
    Axes,
    half_twist,
    place_backbone,
    place_sides,
    plane,
    windows,
    with_terminals,
)
from backmapbench.reference_models.internal_coordinates.residues import AMINO_ACIDS, PROLINE, chis
from backmapbench.reference_models.internal_coordinates.settings import SamplingSettings
from backmapbench.reference_models.internal_coordinates.tables import Internals, Tables

MODE_TURNS = 32  # backbones behind the mode
WIDEST_PUCKER = 0.75  # rad; a proline's ring does not close beyond


@dataclass(frozen=True)
class Backbone:
    """Backbones with what was drawn for them.

    Attributes:
        atoms: (frames, residues, 4, 3), nm.
        terminals: terminal oxygens, (frames, residues, 3), nm.
        torsions: (frames, residues, TORSIONS), NaN where nothing is drawn (yet).
        directions: what side chains see, (frames, residues, 3 * DIRECTIONS).
    """

    atoms: Tensor
    terminals: Tensor
    torsions: Tensor
    directions: Tensor

    def of(self, rows: Tensor) -> Backbone:
        """The frames ``rows``."""
        return Backbone(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


class Sampler:
    """A trained network with its tables, in double precision: a rotation does not change which kernel is drawn."""

    def __init__(self, network: TorsionNetwork, tables: Tables, settings: SamplingSettings) -> None:
        self.network, self.tables, self.settings = network.double().eval(), tables, settings

    @torch.no_grad()
    def draw(self, ca: Tensor, chains: Chainwise, generator: Generator) -> tuple[Tensor, Tensor]:
        """One structure per row of C-alphas (frames, residues, 3), nm, and its torsions.

        Returns atoms (frames, residues, SLOTS, 3) and torsions (frames, residues, TORSIONS).
        """
        types = chains.types.expand(ca.shape[:2])
        internals = self.tables.draw(types, 1.0, generator)
        context, axes = self.network.surroundings(ca, chains)
        turns = self._turns(ca, chains, context, axes, internals, 1.0, generator)
        backbone = self._backbone(ca, chains, turns, internals, context, axes, 1.0, generator)
        torsions = self._chis(types, context, backbone, 1.0, generator)

        def anew(number: int, rows: Tensor) -> Tensor:
            return self._chis(types[rows], context[rows], backbone.of(rows), 1.0, generator)

        return self._relieved(chains, backbone, torsions, internals, anew)

    @torch.no_grad()
    def mode(self, ca: Tensor, chains: Chainwise) -> tuple[Tensor, Tensor]:
        """The most central structure per row of C-alphas, with the same returns as ``draw``.

        Internal coordinates at their means; turns at the circular mean of drawn ones; of each residue's drawn side
        chains the one with the least mean squared distance to all of them.
        """
        generator = Generator().manual_seed(0)
        types = chains.types.expand(ca.shape[:2])
        internals = self.tables.draw(types, 0.0)
        context, axes = self.network.surroundings(ca, chains)
        sine, cosine = torch.zeros(2, *ca.shape[:2], dtype=ca.dtype)
        for _ in range(MODE_TURNS):
            turns = self._turns(ca, chains, context, axes, internals, 1.0, generator)
            sine, cosine = sine + turns.sin(), cosine + turns.cos()
        turns = torch.atan2(sine, cosine)
        backbone = self._backbone(ca, chains, turns, internals, context, axes, 0.0, generator)
        drawn = [self._chis(types, context, backbone, 1.0, generator) for _ in range(self.settings.mode_draws)]
        sides = torch.stack([place_sides(types, backbone.atoms, torsions, internals) for torsions in drawn])
        # The mean squared distance to all draws is that to their mean, and a constant.
        away = (sides - sides.mean(0)).square().sum((-1, -2))
        order, every = away.argsort(0), torch.stack(drawn)

        def ranked(rank: int, rows: Tensor) -> Tensor:
            draw = order[rank % len(order), rows]
            return every[:, rows].gather(0, draw[None, ..., None].expand(1, *draw.shape, TORSIONS))[0]

        def next_best(number: int, rows: Tensor) -> Tensor:
            return ranked(1 + number // 2, rows)  # a residue is looked at in every other round

        return self._relieved(chains, backbone, ranked(0, torch.arange(len(ca))), internals, next_best)

    def _relieved(
        self, chains: Chainwise, backbone: Backbone, torsions: Tensor, internals: Internals, propose: Propose
    ) -> tuple[Tensor, Tensor]:
        """Atoms and torsions, side chains replaced by proposed ones where they overlap."""
        types = chains.types.expand(torsions.shape[:2])

        def place(rows: Tensor, given: Tensor) -> Tensor:
            return self._assembled(types[rows], backbone.of(rows), given, Internals(internals.values[rows]))

        atoms = place(torch.arange(len(torsions)), torsions)
        overlaps = Overlaps(chains, self.settings.contact_nm)
        return relieve(atoms, torsions, overlaps, self.settings.redraws, propose, place)

    def _assembled(self, types: Tensor, backbone: Backbone, torsions: Tensor, internals: Internals) -> Tensor:
        return with_terminals(place_sides(types, backbone.atoms, torsions, internals), backbone.terminals)

    def _turns(
        self,
        ca: Tensor,
        chains: Chainwise,
        context: Tensor,
        residue_axes: Tensor,
        internals: Internals,
        temperature: float,
        generator: Generator,
    ) -> Tensor:
        """Turns of the peptide units, (frames, residues), drawn along the chains."""
        axes = Axes.of(windows(ca, chains))
        flat, half = plane(axes, internals), half_twist(axes, internals)
        candidates = candidates_of(axes, internals, self.network.circle.centres)
        turns = torch.zeros(ca.shape[:2], dtype=ca.dtype)
        before, to_n = torch.zeros(2, len(ca), 3, dtype=ca.dtype)
        linked, joined = (values.expand(ca.shape[:2]) for values in (chains.linked, chains.joined))
        for row in range(ca.shape[1] - 1):
            known = joined[:, row, None]
            given = (torch.cat([context[:, row], context[:, row + 1]], dim=-1), residue_axes[:, row])
            logits = self.network.turn_logits(given, before * known, to_n * known, candidates[:, row])
            turn = self.network.circle.draw(logits, temperature, generator)
            turns[:, row] = torch.where(linked[:, row], turn, 0.0)
            before = axes.side(turns)[:, row]
            ahead = axes.side(turns - half)[:, row]
            nitrogen = flat.n_along[:, row, None] * axes.along[:, row] + flat.n_out[:, row, None] * ahead
            to_n = unit(ca[:, row] + nitrogen - ca[:, row + 1])
        return turns

    def _backbone(
        self,
        ca: Tensor,
        chains: Chainwise,
        turns: Tensor,
        internals: Internals,
        context: Tensor,
        residue_axes: Tensor,
        temperature: float,
        generator: Generator,
    ) -> Backbone:
        """Atoms of the backbone, with the torsions of chain ends drawn."""
        torsions = torch.full((*ca.shape[:2], TORSIONS), torch.nan, dtype=ca.dtype)
        out = Axes.of(windows(ca, chains)).side(turns)
        wanted = {PSI_FIRST: ~chains.joined, PHI_LAST: ~chains.linked, PSI_LAST: ~chains.linked}
        directions = directions_of(residue_axes, torch.zeros(*ca.shape[:2], 4, 3, dtype=ca.dtype), out, chains)
        for slot, where in wanted.items():
            rows = (where & chains.real).expand(ca.shape[:2])
            self._fill(torsions, rows, slot, context, directions, temperature, generator)
        atoms, terminals = place_backbone(ca, chains, turns, torsions.nan_to_num(), internals)
        return Backbone(atoms, terminals, torsions, directions_of(residue_axes, atoms, out, chains))

    def _chis(
        self, types: Tensor, context: Tensor, backbone: Backbone, temperature: float, generator: Generator
    ) -> Tensor:
        torsions = backbone.torsions.clone()
        for chi in range(TORSIONS - ENDS):
            kinds = torch.tensor([*(chis(name) > chi for name in AMINO_ACIDS), False])
            slot = ENDS + chi
            self._fill(torsions, kinds[types], slot, context, backbone.directions, temperature, generator)
            if chi == 0:
                ring = torsions[..., slot].clamp(-WIDEST_PUCKER, WIDEST_PUCKER)
                torsions[..., slot] = torch.where(types == PROLINE, ring, torsions[..., slot])
        return torsions

    def _fill(
        self,
        torsions: Tensor,
        rows: Tensor,
        slot: int,
        context: Tensor,
        directions: Tensor,
        temperature: float,
        generator: Generator,
    ) -> None:
        """Draw torsion ``slot`` where ``rows`` (frames, residues)."""
        slots = torch.full((int(rows.sum()),), slot)
        if len(slots):
            logits = self.network.torsion_logits(context[rows], directions[rows], torsions[rows], slots)
            torsions[..., slot][rows] = self.network.circle.draw(logits, temperature, generator)


def chunks(count: int, size: int) -> Iterator[slice]:
    """Consecutive slices that cover ``count`` rows."""
    for first in range(0, count, size):
        yield slice(first, min(count, first + size))
