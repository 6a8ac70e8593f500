"""From beads to heavy atoms: the flow, the geometry of the trace, internal coordinates, and the beads once more."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from backmapbench.reference_models.chain_flow.axes import frame_of, owners_of
from backmapbench.reference_models.chain_flow.beads import beads_of, layout_of
from backmapbench.reference_models.chain_flow.contacts import Contacts
from backmapbench.reference_models.chain_flow.flow import Flow
from backmapbench.reference_models.chain_flow.relaxing import Relaxation
from backmapbench.reference_models.chain_flow.settling import Chain
from backmapbench.reference_models.chain_flow.weights import Weights
from backmapbench.reference_models.internal_coordinates.caps import in_order
from backmapbench.reference_models.internal_coordinates.sampling import Sampler
from backmapbench.reference_models.internal_coordinates.weights import Weights as Torsions
from backmapbench.submissions.protocol import System

TOLERATED_NM = 0.02  # of overlaps in a structure: less is within the spread of bond lengths


class Drawer:
    """Structures of one system, given its beads.

    Args:
        system: topology and mapping.
        weights: of the flow.
        torsions: of the internal coordinates.

    Raises UnsupportedTaskError for residues that cannot be placed, and for a chain without a bead.
    """

    def __init__(self, system: System, weights: Weights, torsions: Torsions) -> None:
        self.settings = weights.preset.sampling
        self.layout = layout_of(system)
        self.beads = beads_of(system, self.layout, weights.preset.prior)
        self.flow = Flow(weights.network, self.layout.chains, self.beads, self.settings)
        self.contacts = Contacts.of(system.topology)
        self._relaxation = Relaxation.of(system.topology)
        self._chain = Chain(self.layout.chains.linked[0], self.beads.operator, self.beads.given.stiff_gain())
        self._mapping = torch.from_numpy(system.mapping.weights.toarray())
        self._owner = owners_of(self.layout)
        kinds = torsions.preset.sampling
        self._quick = Sampler(torsions.network, torsions.tables, kinds.model_copy(update={"redraws": 0}))
        self._sampler = Sampler(torsions.network, torsions.tables, kinds)

    @torch.no_grad()
    def draw(self, given: Tensor, generator: Generator) -> NDArray[np.float64]:
        """One structure for each row of beads (frames, beads, 3), nm, double: (frames, atoms, 3).

        Structures whose own atoms overlap, or with a residue that is not L, are drawn anew and the best is kept.
        """
        inside, axes, centre = self._inside(given)
        atoms = self._once(inside, generator)
        broken = self._faults(atoms)
        for _ in range(self.settings.redraws):
            rows = torch.nonzero(broken > TOLERATED_NM)[:, 0]
            if not len(rows):
                break
            other = self._once(inside[rows], generator)
            found = self._faults(other)
            better = found < broken[rows]
            atoms[rows[better]], broken[rows[better]] = other[better], found[better]
        return np.asarray((atoms @ axes + centre).numpy())

    @torch.no_grad()
    def mode(self, given: Tensor) -> NDArray[np.float64]:
        """The mean of the structures for each row of beads, its atoms parted: (frames, atoms, 3), nm.

        C-alphas are the mean that the flow sees at its start. How far atoms are from their C-alpha is averaged over
        draws, in pairs of noise and its opposite.
        """
        generator = torch.Generator().manual_seed(0)
        inside, axes, centre = self._inside(given)
        twice, total = torch.cat([inside, inside]), torch.zeros(1, dtype=given.dtype)
        for _ in range(self.settings.mode_draws):
            noise = self.flow.noise(inside, generator)
            start = self.flow.start(twice, (torch.cat([noise[0], -noise[0]]), torch.cat([noise[1], -noise[1]])))
            middle = self.flow.mean(twice, start)
            ca = self._chain.settle(self.flow.end(twice, start), self.settings.settling // 4)
            placed, _ = self._quick.draw(ca, self.layout.chains, generator)
            total = total + middle[:, self._owner] + in_order(self.layout, placed - ca[:, :, None])
        middle = (total[: len(inside)] + total[len(inside) :]) / (2 * self.settings.mode_draws)
        atoms = self._moved(middle, inside)
        atoms = self._moved(self.contacts.spread(atoms, self.settings.mode_steps), inside)
        return np.asarray((atoms @ axes + centre).numpy())

    def _faults(self, atoms: Tensor) -> Tensor:
        """How far limits of distances are missed, nm, and a nm for every residue that is not L."""
        return self.contacts.broken(atoms) + self._relaxation.flat(atoms)

    def _inside(self, given: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Beads in axes of their own, these axes (frames, 3, 3) and the beads' centre (frames, 1, 3)."""
        centre = given.mean(1, keepdim=True)
        axes = frame_of(self.beads.given.mean(given - centre))
        return (given - centre) @ axes.mT, axes, centre

    def _once(self, inside: Tensor, generator: Generator) -> Tensor:
        """A structure for each row of beads, in the axes of ``frame_of``."""
        start = self.flow.start(inside, self.flow.noise(inside, generator))
        ca = self._chain.settle(self.flow.end(inside, start), self.settings.settling)
        return self._heavy(ca, inside, int(torch.randint(2**62, (), generator=generator)))

    def _heavy(self, ca: Tensor, given: Tensor, seed: int) -> Tensor:
        """Heavy atoms (frames, atoms, 3) for traces, their beads where they are given.

        Traces are moved by what the beads of their atoms miss, and atoms placed anew by the same random numbers; at
        last residues are shifted by what is still missing.
        """
        for _ in range(self.settings.rounds - 1):
            placed, _ = self._quick.draw(ca, self.layout.chains, torch.Generator().manual_seed(seed))
            missing = given - self._mapping @ in_order(self.layout, placed)
            ca = self._chain.settle(ca + self._chain.gain @ missing, self.settings.settling // 4)
        placed, _ = self._sampler.draw(ca, self.layout.chains, torch.Generator().manual_seed(seed))
        atoms = self._moved(in_order(self.layout, placed), given)
        return self._moved(self._relaxation.relax(atoms, self.settings.relaxing), given)

    def _moved(self, atoms: Tensor, given: Tensor) -> Tensor:
        """Atoms shifted residue by residue, as smoothly as the beads allow, until the beads are ``given``."""
        return atoms + (self._chain.gain @ (given - self._mapping @ atoms))[:, self._owner]
