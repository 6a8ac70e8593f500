"""Which side chains come too near to other residues, and drawing them anew."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from backmapbench.reference_models.internal_coordinates.layout import Chainwise
from backmapbench.reference_models.internal_coordinates.placing import OXYGEN
from backmapbench.reference_models.internal_coordinates.residues import (
    AMINO_ACIDS,
    FIRST_SIDE,
    PROLINE,
    SLOTS,
    TERMINAL_OXYGEN,
    slots,
)

FRAMES = 16  # compared at once: 16 x 200 x 370 distances of 46 residues are 10 MB

Propose = Callable[[int, Tensor], Tensor]
"""Of a round and the structures (rows): other torsions (rows, residues, TORSIONS)."""
Place = Callable[[Tensor, Tensor], Tensor]
"""Of structures (rows) and their torsions: atoms (rows, residues, SLOTS, 3)."""


class Overlaps:
    """How far side-chain atoms of one molecule reach into other atoms.

    Looked at are atoms beyond CB against all atoms of other residues and the own O. Proline's ring is bonded to the
    residue before, which is left out for it.
    """

    def __init__(self, chains: Chainwise, contact_nm: float) -> None:
        names = [AMINO_ACIDS[kind] for kind in chains.types[0].tolist()]
        atoms = [
            (row, slot) for row, name in enumerate(names) for slot in slots(name).values() if slot != TERMINAL_OXYGEN
        ]
        residue, slot = torch.tensor(atoms).unbind(1)
        self._all = residue * SLOTS + slot
        beyond = slot >= FIRST_SIDE
        self._side, self._owner, self._residues = self._all[beyond], residue[beyond], len(names)
        apart = self._owner[:, None] - residue
        proline = (chains.types[0][self._owner] == PROLINE)[:, None]
        self._looked = ((apart != 0) & ~(proline & (apart == 1))) | ((apart == 0) & (slot == OXYGEN))
        self._contact = contact_nm

    def __call__(self, atoms: Tensor) -> Tensor:
        """Sum of squared overlaps of each residue, (frames, residues), nm^2, of atoms (frames, residues, SLOTS, 3)."""
        found = torch.zeros(len(atoms), self._residues, dtype=atoms.dtype)
        for first in range(0, len(atoms), FRAMES):
            part = atoms[first : first + FRAMES].flatten(1, 2)
            gaps = torch.cdist(part[:, self._side].float(), part[:, self._all].float())
            reach = ((self._contact - gaps).clamp_min(0).square() * self._looked).sum(-1).to(atoms.dtype)
            found[first : first + FRAMES].index_add_(1, self._owner, reach)
        return found


def relieve(
    atoms: Tensor, torsions: Tensor, overlaps: Overlaps, rounds: int, propose: Propose, place: Place
) -> tuple[Tensor, Tensor]:
    """Structures and torsions with overlapping side chains replaced by proposed ones wherever these overlap less.

    Every other residue is looked at in a round, so that neighbours do not step aside for each other at once.
    """
    atoms, torsions = atoms.clone(), torsions.clone()
    depth = overlaps(atoms)
    parity = torch.arange(atoms.shape[1]) % 2
    for number in range(rounds):
        wanted = (depth > 0) & (parity == number % 2)
        rows = wanted.any(-1).nonzero()[:, 0]
        if not len(rows):
            continue
        anew = torch.where(wanted[rows][..., None], propose(number, rows), torsions[rows])
        tried = place(rows, anew)
        better = wanted[rows] & (overlaps(tried) < depth[rows])
        torsions[rows] = torch.where(better[..., None], anew, torsions[rows])
        atoms[rows] = torch.where(better[..., None, None], tried, atoms[rows])
        depth[rows] = overlaps(atoms[rows])
    return atoms, torsions
