"""Which atom hangs on which bead, and on which of its channels: by name, so that a file's order changes nothing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import mdtraj
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from backmapbench.errors import SubmissionError, UnsupportedTaskError
from backmapbench.reference_models.bead_centre.model import bead_of_atom
from backmapbench.submissions.protocol import System

ANGSTROM_PER_NM = 10.0


@dataclass(frozen=True)
class Structure:
    """What is constant of a molecule and its beads.

    Attributes:
        names: (atoms,), chain, residue, number and name of each atom.
        numbers: atomic numbers (atoms,); 0 for a virtual site.
        bead: bead (atoms,) of each atom.
        channel: place (atoms,) of each atom among those of its bead, in the order of their names.
        share: weight (atoms,) of each atom in its bead's position.
        bonds: (2, bonds) between atoms that are no virtual sites.
        beads: number of beads.
    """

    names: tuple[str, ...]
    numbers: NDArray[np.int64]
    bead: NDArray[np.intp]
    channel: NDArray[np.intp]
    share: NDArray[np.float64]
    bonds: NDArray[np.intp]
    beads: int

    @classmethod
    def of(cls, system: System) -> Structure:
        """The structure of ``system``.

        An atom without weight in any bead hangs on the bead fewest bonds away.

        Raises UnsupportedTaskError for beads that are single atoms or share atoms, SubmissionError for atoms that no
        bonds join to a bead or whose names do not tell them apart.
        """
        atoms = list(system.topology.atoms)
        numbers = np.array([_number(atom) for atom in atoms], dtype=np.int64)
        weights = system.mapping.weights
        if system.mapping.is_slice and (numbers[system.mapping.slice_atoms] > 0).any():
            raise UnsupportedTaskError("cgvae: beads are single atoms; it is made for beads that several atoms share")
        if (np.diff(weights.tocsc().indptr) > 1).any():
            raise UnsupportedTaskError("cgvae: an atom is in several beads; it is made for beads that share none")
        bead = bead_of_atom(system.topology, system.mapping)
        names = tuple(_name(atom) for atom in atoms)
        if len(set(names)) < len(names):
            twice = next(name for number, name in enumerate(names) if name in names[:number])
            raise SubmissionError(f"cgvae: two atoms are called {twice}; number chains and residues apart")
        bonds = np.array([(a.index, b.index) for a, b in system.topology.bonds], dtype=np.intp).reshape(-1, 2).T
        return cls(
            names,
            numbers,
            bead,
            _channels(atoms, bead),
            np.asarray(weights.sum(axis=0)).ravel(),
            bonds[:, (numbers[bonds] > 0).all(axis=0)],
            system.mapping.beads,
        )

    @property
    def largest_bead(self) -> int:
        """Atoms of the bead with the most; a network must be at least as wide."""
        return int(self.channel.max()) + 1

    @property
    def fingerprint(self) -> str:
        """Hash of names and beads, whatever the order of the atoms: weights fit the structures that share it."""
        rows = zip(self.names, self.numbers, self.bead, self.channel, np.round(self.share, 9), strict=True)
        return hashlib.sha256("\n".join(sorted(" ".join(map(str, row)) for row in rows)).encode()).hexdigest()

    def pairs(self, order: int) -> NDArray[np.intp]:
        """Pairs (2, pairs) of atoms that 1 to ``order`` bonds join.

        Raises SubmissionError for a topology without bonds.
        """
        atoms = len(self.names)
        once = sparse.csr_array((np.ones(self.bonds.shape[1]), tuple(self.bonds)), shape=(atoms, atoms))
        once = once + once.T
        reached, step = once, once
        for _ in range(order - 1):
            step = step @ once
            reached = reached + step
        pairs = np.array(sparse.triu(reached, k=1).nonzero(), dtype=np.intp)
        if not pairs.size:
            raise SubmissionError("cgvae: the topology has no bonds, which the graph loss needs; add them")
        return pairs


def _number(atom: mdtraj.core.topology.Atom) -> int:
    return 0 if atom.element is None else int(atom.element.atomic_number)


def _name(atom: mdtraj.core.topology.Atom) -> str:
    return f"{atom.residue.chain.index}:{atom.residue.name}{atom.residue.resSeq}:{atom.name}"


def _channels(atoms: list[mdtraj.core.topology.Atom], bead: NDArray[np.intp]) -> NDArray[np.intp]:
    keys = [(int(bead[atom.index]), atom.residue.chain.index, atom.residue.resSeq, atom.name) for atom in atoms]
    channel = np.empty(len(atoms), dtype=np.intp)
    counts: dict[int, int] = {}
    for index in sorted(range(len(atoms)), key=keys.__getitem__):
        owner = keys[index][0]
        channel[index] = counts.get(owner, 0)
        counts[owner] = channel[index] + 1
    return channel
