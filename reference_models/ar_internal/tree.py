"""The order in which atoms are placed, and the three placed atoms that each is placed from."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import mdtraj
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import dijkstra

from backmapbench.errors import CardError, UnsupportedTaskError
from backmapbench.submissions.protocol import System

SMALLEST_SINE = 0.1  # three atoms within 6 degrees of a line give no usable torsion axis
CHECKED_FRAMES = 2000
CHECKED_REFERENCES = 12  # nearest placed atoms tried as references before giving up


@dataclass(frozen=True)
class PlacementTree:
    """Internal-coordinate (Z-matrix) tree whose roots are the beads' atoms.

    Attributes:
        roots: atom of each bead, (beads,).
        atoms: the other atoms in the order of placement, (placed,).
        references: parent (bonded, gives the bond length), angle reference and torsion reference of each placed atom,
            (placed, 3); all are beads' atoms or placed before.
    """

    roots: NDArray[np.intp]
    atoms: NDArray[np.intp]
    references: NDArray[np.intp]

    @property
    def size(self) -> int:
        """Number of atoms in the molecule."""
        return len(self.roots) + len(self.atoms)

    @cached_property
    def generations(self) -> tuple[NDArray[np.intp], ...]:
        """Rows of ``atoms`` that can be placed at once: their references lie in earlier generations or are roots."""
        generation = np.zeros(self.size, dtype=np.intp)
        for atom, references in zip(self.atoms, self.references, strict=True):
            generation[atom] = 1 + generation[references].max()
        return tuple(np.flatnonzero(generation[self.atoms] == level) for level in range(1, generation.max() + 1))


def placement_tree(name: str, system: System, frames: NDArray[np.floating]) -> PlacementTree:
    """Tree whose roots are the beads, for a mapping of single atoms; otherwise as ``tree_from_roots``.

    Raises UnsupportedTaskError for beads of several atoms or that share an atom, fewer than three beads, and bonds that
    close a ring as well: nothing in a tree keeps the length of such a bond.
    """
    tree = tree_from_roots(name, system.topology, _roots(name, system), frames)
    grown = {frozenset(pair) for pair in zip(tree.atoms.tolist(), tree.references[:, 0].tolist(), strict=True)}
    roots = set(tree.roots.tolist())
    for one, two in system.topology.bonds:
        if frozenset((one.index, two.index)) not in grown and not {one.index, two.index} <= roots:
            raise UnsupportedTaskError(
                f"{name}: the bond {one}-{two} closes a ring of atoms that are no beads, so nothing keeps its "
                "length; use a mapping with more beads"
            )
    return tree


def tree_from_roots(
    name: str, topology: mdtraj.Topology, roots: NDArray[np.intp], frames: NDArray[np.floating]
) -> PlacementTree:
    """Tree that grows from ``roots``; ``frames`` (frames, atoms, 3) show which references ever lie on a line.

    Errors speak of the model ``name``.

    Atoms fewer bonds from a root come first, heavy ones before hydrogens, so that a hydrogen's torsion is measured
    against its heavy siblings. References are the placed atoms nearest in bonds to the parent, roots first: the
    first child of a parent gets a true torsion, its siblings improper torsions relative to it.

    Raises UnsupportedTaskError for atoms that bonds do not connect to a root, or references that all lie on a line.
    """
    atoms, parents = _order(name, topology, roots)
    heavy = np.array([atom.element is None or atom.element.number > 1 for atom in topology.atoms])
    is_root = np.isin(np.arange(topology.n_atoms), roots)
    bonds = dijkstra(bonded_matrix(topology), indices=parents, unweighted=True)
    sample = np.asarray(frames[:: max(1, len(frames) // CHECKED_FRAMES)], dtype=np.float64)
    placed = list(roots)
    references = np.empty((len(atoms), 3), dtype=np.intp)
    for row, (atom, parent) in enumerate(zip(atoms, parents, strict=True)):
        near = sorted(
            (other for other in placed if other != parent and np.isfinite(bonds[row, other])),
            key=lambda other: (bonds[row, other], not is_root[other], not heavy[other], other),
        )
        references[row] = (parent, *_off_line(name, sample, parent, near[:CHECKED_REFERENCES], topology.atom(atom)))
        placed.append(atom)
    return PlacementTree(roots, atoms, references)


def _roots(name: str, system: System) -> NDArray[np.intp]:
    try:
        roots = system.mapping.slice_atoms
    except CardError as error:
        raise UnsupportedTaskError(f"{name}: {error}; use a mapping of kind 'slice'") from error
    if system.mapping.atoms != system.topology.n_atoms:
        raise UnsupportedTaskError(
            f"{name}: the mapping has {system.mapping.atoms} atoms, the topology {system.topology.n_atoms}; "
            "use matching ones"
        )
    if len(set(roots.tolist())) < len(roots) or len(roots) < 3:
        raise UnsupportedTaskError(
            f"{name}: needs three or more beads of different atoms, given atoms {roots.tolist()}"
        )
    return roots


def _order(name: str, topology: mdtraj.Topology, roots: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Atoms to place, in order, and the bonded parent of each."""
    adjacency = bonded_matrix(topology)
    levels, _, _ = dijkstra(adjacency, indices=roots, unweighted=True, min_only=True, return_predecessors=True)
    if not np.isfinite(levels).all():
        lost = topology.atom(int(np.flatnonzero(~np.isfinite(levels))[0]))
        raise UnsupportedTaskError(
            f"{name}: no bonds lead from atom {lost} to a bead, so it cannot be placed; add a bead"
        )
    hydrogen = [atom.element is not None and atom.element.number == 1 for atom in topology.atoms]
    atoms = sorted(np.flatnonzero(levels > 0).tolist(), key=lambda atom: (levels[atom], hydrogen[atom], atom))
    parents = []
    for atom in atoms:
        bonded = adjacency.indices[adjacency.indptr[atom] : adjacency.indptr[atom + 1]]
        parents.append(min(int(other) for other in bonded if levels[other] == levels[atom] - 1))
    return np.array(atoms, dtype=np.intp), np.array(parents, dtype=np.intp)


def bonded_matrix(topology: mdtraj.Topology) -> sparse.csr_array:
    """Which atoms are bonded: symmetric, (atoms, atoms)."""
    pairs = np.array([(bond[0].index, bond[1].index) for bond in topology.bonds], dtype=np.int32).reshape(-1, 2)
    both = np.concatenate([pairs, pairs[:, ::-1]])
    size = topology.n_atoms
    return sparse.csr_array((np.ones(len(both)), (both[:, 0], both[:, 1])), shape=(size, size))


def _off_line(
    name: str, frames: NDArray[np.float64], parent: int, near: list[int], atom: mdtraj.core.topology.Atom
) -> tuple[int, int]:
    """First two of ``near`` that never lie on a line with ``parent``."""
    for angle, torsion in itertools.combinations(near, 2):
        first = frames[:, parent] - frames[:, angle]
        second = frames[:, torsion] - frames[:, angle]
        lengths = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
        if (np.linalg.norm(np.cross(first, second), axis=-1) > SMALLEST_SINE * lengths).all():
            return angle, torsion
    raise UnsupportedTaskError(f"{name}: every reference for placing atom {atom} lies on a line; add a bead near it")
