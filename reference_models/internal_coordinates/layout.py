"""A topology as residues with slots: what is placed, from which C-alphas, and where it goes in the output."""

from __future__ import annotations

from dataclasses import dataclass

import mdtraj
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backmapbench.errors import CardError, UnsupportedTaskError
from backmapbench.reference_models.internal_coordinates.residues import AMINO_ACIDS, NO_RESIDUE, amino_acid, slot_of
from backmapbench.submissions.protocol import System

NAME = "internal-coordinates"
REACH = 3  # C-alphas on either side that a residue's window holds
WINDOW = 2 * REACH + 1
SHORTEST = 3  # C-alphas of a chain: fewer fix no orientation
CAPS = {"ACE": ("C", "O", "CH3"), "NME": ("N", "C"), "NH2": ("N",)}
CAP_NAMES = {"CH3": "C"}  # of NME's methyl in some files


@dataclass(frozen=True)
class Chainwise:
    """What the network knows of the residues; tensors (molecules or frames, residues, ...), padded at the end.

    Attributes:
        types: index in AMINO_ACIDS; NO_RESIDUE for padding.
        window: C-alphas (.., residues, WINDOW, 3) whose combination with ``weights`` is a point of a window. Points
            beyond a chain's end continue the trace as a zigzag, so they turn with it.
        weights: (.., residues, WINDOW, 3).
        window_types: types of the window's residues, NO_RESIDUE beyond the ends, (.., residues, WINDOW).
        chain: number of the chain, -1 for padding.
    """

    types: Tensor
    window: Tensor
    weights: Tensor
    window_types: Tensor
    chain: Tensor

    @property
    def linked(self) -> Tensor:
        """Whether a peptide bond leads to the next residue."""
        return self.window_types[..., REACH + 1] != NO_RESIDUE

    @property
    def joined(self) -> Tensor:
        """Whether a peptide bond leads to the residue before."""
        return self.window_types[..., REACH - 1] != NO_RESIDUE

    @property
    def real(self) -> Tensor:
        """Whether there is a residue."""
        return self.types != NO_RESIDUE

    def of(self, rows: Tensor) -> Chainwise:
        """The molecules ``rows`` (frames,)."""
        return Chainwise(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def padded(self, residues: int) -> Chainwise:
        """The same with empty residues up to ``residues``."""
        fill = {"types": NO_RESIDUE, "window_types": NO_RESIDUE, "chain": -1}

        def pad(name: str) -> Tensor:
            values: Tensor = getattr(self, name)
            shape = (values.shape[0], residues - values.shape[1], *values.shape[2:])
            return torch.cat([values, torch.full(shape, fill.get(name, 0), dtype=values.dtype)], dim=1)

        return Chainwise(*(pad(name) for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Layout:
    """One molecule.

    Attributes:
        chains: for the network, with a leading axis of 1.
        residue: residue (row of beads) of each atom that belongs to one, (atoms,); -1 for caps.
        slot: its slot, (atoms,).
        caps: (cap, name, residue) of each atom of a cap, by atom.
        size: number of atoms.
    """

    chains: Chainwise
    residue: NDArray[np.intp]
    slot: NDArray[np.intp]
    caps: dict[int, tuple[str, str, int]]
    size: int

    @classmethod
    def of(cls, system: System, *, hydrogens: bool = False) -> Layout:
        """The layout of ``system``, whose beads have to be the C-alphas of standard amino acids.

        ``hydrogens``: leave them out; otherwise they are refused. Raises UnsupportedTaskError.
        """
        _refuse_disulfides(system.topology)
        owners = _owners(system)
        places = {residue.index: row for row, residue in enumerate(owners)}
        atoms = system.topology.n_atoms
        residue, slot = np.full(atoms, -1, dtype=np.intp), np.full(atoms, -1, dtype=np.intp)
        links = _links(system.topology, places)
        caps: dict[int, tuple[str, str, int]] = {}
        for atom in system.topology.atoms:
            if atom.element is not None and atom.element.symbol in {"H", "D"}:
                if hydrogens:
                    continue
                raise UnsupportedTaskError(f"{NAME}: {atom} is a hydrogen; use a task of heavy atoms")
            row = places.get(atom.residue.index)
            if row is None:
                caps[atom.index] = _cap(atom, links.get(atom.residue.index))
                continue
            found = slot_of(str(amino_acid(atom.residue.name)), atom.name)
            if found is None:
                raise UnsupportedTaskError(f"{NAME}: {atom} is no heavy atom of a standard amino acid; rename it")
            residue[atom.index], slot[atom.index] = row, found
        return cls(_chainwise(owners, places, links), residue, slot, caps, atoms)


def _owners(system: System) -> list[mdtraj.core.topology.Residue]:
    """Residue of each bead."""
    try:
        beads = system.mapping.slice_atoms
    except CardError as error:
        raise UnsupportedTaskError(f"{NAME}: beads have several atoms; use a task whose beads are C-alphas") from error
    atoms = [system.topology.atom(int(index)) for index in beads]
    for atom in atoms:
        if atom.name != "CA" or amino_acid(atom.residue.name) is None:
            raise UnsupportedTaskError(f"{NAME}: bead {atom} is no C-alpha of a standard amino acid; use a CA mapping")
    owners = [atom.residue for atom in atoms]
    numbers = [residue.index for residue in owners]
    if numbers != sorted(set(numbers)):
        raise UnsupportedTaskError(f"{NAME}: beads are not in the order of their residues; sort them")
    return owners


def _refuse_disulfides(topology: mdtraj.Topology) -> None:
    """Side chains are placed one by one: nothing would hold the two ends of such a bond together."""
    for first, second in topology.bonds:
        if first.name == second.name == "SG":
            raise UnsupportedTaskError(
                f"{NAME}: {first} and {second} are joined by a disulfide bond, which this model cannot close; use "
                "another model, or a topology of the reduced protein"
            )


def _links(topology: mdtraj.Topology, places: dict[int, int]) -> dict[int, set[int]]:
    """Residues that a bond C-N joins to each residue."""
    links: dict[int, set[int]] = {}
    for first, second in topology.bonds:
        if first.residue.index != second.residue.index and {first.name, second.name} == {"C", "N"}:
            links.setdefault(first.residue.index, set()).add(second.residue.index)
            links.setdefault(second.residue.index, set()).add(first.residue.index)
    return {
        key: ({places[other] for other in value if other in places} if key not in places else value)
        for key, value in links.items()
    }


def _cap(atom: mdtraj.core.topology.Atom, neighbours: set[int] | None) -> tuple[str, str, int]:
    name = CAP_NAMES.get(atom.name, atom.name) if atom.residue.name == "NME" else atom.name
    if name not in CAPS.get(atom.residue.name, ()) or not neighbours:
        raise UnsupportedTaskError(
            f"{NAME}: {atom} belongs neither to a residue with a bead nor to a bonded cap ({', '.join(CAPS)}); "
            "give the residue a bead, or leave it out"
        )
    return atom.residue.name, name, next(iter(neighbours))


def _chainwise(
    owners: list[mdtraj.core.topology.Residue], places: dict[int, int], links: dict[int, set[int]]
) -> Chainwise:
    count = len(owners)
    follows = [row > 0 and owners[row - 1].index in links.get(owners[row].index, ()) for row in range(count)]
    chain = np.cumsum([not value for value in follows]) - 1
    window = np.zeros((count, WINDOW, 3), dtype=np.int64)
    weights = np.zeros((count, WINDOW, 3))
    kinds = np.full((count, WINDOW), NO_RESIDUE, dtype=np.int64)
    types = np.array([AMINO_ACIDS.index(str(amino_acid(residue.name))) for residue in owners])
    for row, residue in enumerate(owners):
        members = np.flatnonzero(chain == chain[row])
        if len(members) < SHORTEST:
            raise UnsupportedTaskError(
                f"{NAME}: the chain of {residue} has {len(members)} residues joined by bonds C-N; "
                f"{SHORTEST} or more are needed: add missing bonds to the topology, or leave the chain out"
            )
        for place, offset in enumerate(range(-REACH, REACH + 1)):
            window[row, place], weights[row, place] = _point(row + offset, int(members[0]), int(members[-1]))
            if members[0] <= row + offset <= members[-1]:
                kinds[row, place] = types[row + offset]
    tensors = (types, window, weights, kinds, chain.astype(np.int64))
    return Chainwise(*(torch.from_numpy(np.asarray(values))[None] for values in tensors))


def _point(wanted: int, first: int, last: int) -> tuple[tuple[int, int, int], tuple[float, float, float]]:
    """A point of a trace from ``first`` to ``last``; beyond its ends every other step is the same, as in a zigzag."""
    if first <= wanted <= last:
        return (wanted, wanted, wanted), (1.0, 0.0, 0.0)
    end, way = (first, 1) if wanted < first else (last, -1)
    beyond = abs(wanted - end)
    near, far = beyond // 2, beyond - beyond // 2  # steps of the kinds (end -> next) and (next -> next but one)
    return (end, end + way, end + 2 * way), (1.0 + near, float(far - near), -float(far))
