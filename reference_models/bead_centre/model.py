"""``BeadCentre``: what the input alone gives, every atom on its bead."""

from __future__ import annotations

from collections import deque

import mdtraj
import numpy as np
from numpy.typing import NDArray

from backmapbench.coarse_graining import CoarseMapping
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import SubmissionError
from backmapbench.submissions.protocol import ModelInfo, System


class BeadCentre:
    """Puts every atom on its bead; a deterministic map, so all samples are the same."""

    info = ModelInfo(
        name="bead-centre",
        description="Every atom on its bead, an atom in no bead on the bead fewest bonds away; deterministic.",
        deterministic=True,
        licence="MIT",
    )

    def backmap(
        self,
        system: System,
        beads: Trajectories,
        samples: int,
        seed: int,
    ) -> NDArray[np.float32]:
        """Bead positions copied to the atoms: float32 (samples, frames, atoms, 3), nm. ``seed`` changes nothing.

        Raises SubmissionError when the beads are not the mapping's, or an atom has no path of bonds to any bead.
        """
        if beads.positions.shape[1] != system.mapping.beads:
            raise SubmissionError(
                f"bead-centre: given {beads.positions.shape[1]} beads, the mapping has {system.mapping.beads}; "
                "coarse-grain with the task's mapping"
            )
        atoms = beads.positions[:, bead_of_atom(system.topology, system.mapping)]
        return np.repeat(atoms[None].astype(np.float32, copy=False), samples, axis=0)


def bead_of_atom(topology: mdtraj.Topology, mapping: CoarseMapping) -> NDArray[np.intp]:
    """Bead index of each atom (atoms,).

    An atom with weight in several beads belongs to the one with the largest weight; one in no bead to the bead fewest
    bonds away. Ties go to the lower bead index.

    Raises SubmissionError when topology and mapping differ in atoms, or bonds lead from an atom to no bead.
    """
    if topology.n_atoms != mapping.atoms:
        raise SubmissionError(
            f"bead-centre: the topology has {topology.n_atoms} atoms, the mapping {mapping.atoms}; use matching ones"
        )
    weights = mapping.weights.toarray()
    owner = np.where((weights > 0).any(axis=0), weights.argmax(axis=0), -1).astype(np.intp)
    neighbours: list[list[int]] = [[] for _ in range(mapping.atoms)]
    for first, second in topology.bonds:
        neighbours[first.index].append(second.index)
        neighbours[second.index].append(first.index)
    # Breadth first from all beads at once: starting in bead order, each level is reached in bead order too, so the
    # first bead to arrive at an atom is the nearest and, of equally near ones, the lowest.
    queue = deque(int(atom) for atom in np.argsort(owner, kind="stable") if owner[atom] >= 0)
    while queue:
        atom = queue.popleft()
        for near in neighbours[atom]:
            if owner[near] < 0:
                owner[near] = owner[atom]
                queue.append(near)
    if (owner < 0).any():
        lost = topology.atom(int(np.flatnonzero(owner < 0)[0]))
        raise SubmissionError(f"bead-centre: no bonds lead from atom {lost} to a bead; add its bonds to the topology")
    return owner
