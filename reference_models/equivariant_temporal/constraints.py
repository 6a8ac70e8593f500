"""Bonds to hydrogen held at their lengths during dynamics: SHAKE."""

from __future__ import annotations

from dataclasses import dataclass

import mdtraj
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SPREAD = 1e-3  # nm; a bond whose length varies by less in training is held
TAIL = 0.003  # share of training frames left out of that on either side
SWEEPS = 12
TOLERANCE = 1e-7  # relative, of squared lengths


@dataclass(frozen=True)
class Constraints:
    """Bonds that training frames never stretch, corrected one after the other along their old directions.

    Bonds are sorted into groups in which no atom occurs twice, so that a group is corrected at once and yet in order
    (Ryckaert, Ciccotti and Berendsen, J. Comput. Phys. 23, 327, 1977).

    Attributes:
        groups: atoms (first, second) and squared length (nm2) of the bonds of each group.
        give: inverse masses of all atoms, relative, 0 for beads, (atoms,).
    """

    groups: tuple[tuple[NDArray[np.intp], NDArray[np.intp], Floats], ...]
    give: Floats

    @classmethod
    def fit(cls, topology: mdtraj.Topology, beads: NDArray[np.intp], atoms: Floats) -> Constraints:
        """Bonds of training frames (frames, atoms, 3), nm, whose atoms are not both beads."""
        give = np.ones(topology.n_atoms)
        give[beads] = 0.0
        groups: list[list[tuple[int, int, float]]] = []
        used: list[set[int]] = []
        for bond in topology.bonds:
            first, second = bond[0].index, bond[1].index
            length = np.linalg.norm(atoms[:, first] - atoms[:, second], axis=-1)
            low, high = np.quantile(length, [TAIL, 1 - TAIL])
            if high - low > SPREAD or give[first] + give[second] == 0:
                continue
            group = next((number for number, atom in enumerate(used) if not atom & {first, second}), len(groups))
            if group == len(groups):
                groups.append([])
                used.append(set())
            groups[group].append((first, second, float((length**2).mean())))
            used[group] |= {first, second}
        return cls(tuple(_columns(group) for group in groups), give)

    def apply(self, atoms: Floats, before: Floats) -> Floats:
        """Atoms (frames, N, 3), nm, with all bonds at their lengths; ``before``: where a step began."""
        atoms = atoms.copy()
        along = [before[:, first] - before[:, second] for first, second, _ in self.groups]
        for _ in range(SWEEPS):
            worst = 0.0
            for (first, second, square), direction in zip(self.groups, along, strict=True):
                now = atoms[:, first] - atoms[:, second]
                excess = (now**2).sum(-1) - square
                worst = max(worst, float(np.max(np.abs(excess) / square, initial=0.0)))
                weight = 2 * (now * direction).sum(-1)
                # A bond turned past a right angle within a step has no root along its old direction.
                weight = np.where(weight > 0.2 * square, weight, 2 * square) * (self.give[first] + self.give[second])
                move = (excess / weight)[..., None] * direction
                atoms[:, first] -= self.give[first, None] * move
                atoms[:, second] += self.give[second, None] * move
            if worst < TOLERANCE:
                break
        return atoms


def _columns(group: list[tuple[int, int, float]]) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    first, second, square = zip(*group, strict=True)
    return np.array(first, dtype=np.intp), np.array(second, dtype=np.intp), np.array(square, dtype=np.float64)
