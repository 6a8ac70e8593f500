"""What is put into beads: C-alphas, heavy atoms or all atoms; and how beads of residues extend to their atoms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import mdtraj
import numpy as np
from numpy.typing import NDArray

from backmapbench.coarse_graining.mapping import CoarseMapping
from backmapbench.coarse_graining.selection import atom_label, atom_slice
from backmapbench.errors import CardError, UnknownNameError

Particles = Literal["ca", "heavy", "atoms"]
Atoms = Literal["heavy", "all"]


def particle_indices(topology: mdtraj.Topology, particles: Particles) -> NDArray[np.intp]:
    """Atom indices of the particles, in the topology's order.

    ``ca``: atoms named CA that are carbon or of no known element (calcium is CA too); ``heavy``: all but hydrogen and
    virtual sites; ``atoms``: all. Raises CardError when the topology has none, UnknownNameError for another kind.
    """
    if particles not in get_args(Particles):
        raise UnknownNameError("kind of particles", particles, get_args(Particles))
    chosen = [atom.index for atom in topology.atoms if particles == "atoms" or _is(atom, particles)]
    if not chosen:
        raise CardError(f"the topology has no atoms of kind '{particles}'; choose other particles")
    return np.array(chosen, dtype=np.intp)


def ca(topology: mdtraj.Topology) -> CoarseMapping:
    """One bead per residue that has a C-alpha, at it and named by it, for example ``ALA2:CA``; caps have none.

    Raises CardError when no residue has one, or two C-alphas share a name.
    """
    return atom_slice(topology, [atom_label(topology.atom(index)) for index in particle_indices(topology, "ca")])


def residue_beads(topology: mdtraj.Topology, groups: Sequence[Sequence[int]]) -> NDArray[np.intp]:
    """Bead (residues,) of each residue, for beads given as groups of atom indices.

    A residue with none of its atoms in a bead (a cap, when beads are of C-alphas) joins the bead of the nearest residue
    of its chain that has one; of two equally near the earlier.

    Raises CardError when the atoms of a residue are in different beads, or a chain has no residue in any bead.
    """
    beads = np.full(topology.n_residues, -1, dtype=np.intp)
    for bead, group in enumerate(groups):
        for index in group:
            residue = topology.atom(int(index)).residue
            if beads[residue.index] not in {-1, bead}:
                raise CardError(f"atoms of residue {residue} are in different beads; give its atoms to one bead")
            beads[residue.index] = bead
    for chain in topology.chains:
        members = np.array([residue.index for residue in chain.residues], dtype=np.intp)
        known = members[beads[members] >= 0]
        if not len(known):
            raise CardError(f"no residue of chain {chain.index} is in a bead; give one, or leave the chain out")
        distance = np.abs(members[:, None] - known)
        beads[members] = beads[known[distance.argmin(axis=1)]]
    return beads


def atoms_of_residues(
    topology: mdtraj.Topology, beads_of_residues: NDArray[np.integer], atoms: Atoms = "heavy"
) -> list[list[int]]:
    """Atom indices of each bead when beads are sets of residues: ``heavy`` or ``all`` atoms of the residues.

    ``beads_of_residues`` (residues,) holds the bead of each residue. Raises CardError when there is not one for each.
    """
    if atoms not in get_args(Atoms):
        raise UnknownNameError("choice of atoms", atoms, get_args(Atoms))
    if len(beads_of_residues) != topology.n_residues:
        raise CardError(f"beads for {len(beads_of_residues)} residues given, the topology has {topology.n_residues}")
    groups: list[list[int]] = [[] for _ in range(int(beads_of_residues.max()) + 1)]
    for atom in topology.atoms:
        if atoms == "all" or _is(atom, "heavy"):
            groups[beads_of_residues[atom.residue.index]].append(atom.index)
    return groups


def bead_names(topology: mdtraj.Topology, groups: Sequence[Sequence[int]]) -> tuple[str, ...]:
    """Names of beads given as groups of atom indices.

    ``ALA2-LYS9`` (first and last residue) if every bead is a run of residues that it shares with no other bead among
    those that have atoms in beads; else ``B1``, ``B2``, ...
    """
    owners = [[topology.atom(int(index)).residue for index in group] for group in groups]
    present = sorted({residue.index for residues in owners for residue in residues})
    place = {index: rank for rank, index in enumerate(present)}
    runs = [sorted({place[residue.index] for residue in residues}) for residues in owners]
    names = []
    for run in runs:
        first, last = (topology.residue(present[rank]) for rank in (run[0], run[-1]))
        names.append(str(first) if first is last else f"{first}-{last}")
    whole = all(run[-1] - run[0] == len(run) - 1 for run in runs)
    alone = sum(len(run) for run in runs) == len(present)
    if whole and alone and len(set(names)) == len(names):
        return tuple(names)
    return tuple(f"B{number}" for number in range(1, len(groups) + 1))


def _is(atom: mdtraj.core.topology.Atom, kind: str) -> bool:
    symbol = "" if atom.element is None else atom.element.symbol
    if kind == "ca":
        return atom.name == "CA" and symbol in {"C", "", "VS"}
    return symbol not in {"H", "D", "VS"}
