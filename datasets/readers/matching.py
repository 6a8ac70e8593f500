"""Atoms of one topology found in another by residue and name, whatever the order and dialect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mdtraj
import numpy as np
from numpy.typing import NDArray

from backmapbench.datasets.readers.names import CanonicalResidue, canonical_residues
from backmapbench.errors import DataError

LISTED = 8  # names in a message


@dataclass(frozen=True, eq=False)
class AtomMatch:
    """Where the wanted atoms are.

    Attributes:
        indices: (wanted atoms,), the index in ``have`` of each wanted atom.
        missing: wanted atoms that ``have`` lacks; empty in what ``match_atoms`` returns.
        extra: atoms of ``have`` that nobody wanted.
        reordered: wanted atoms that come after an atom which ``have`` puts later: 0 for the same order.
        renamed: wanted atoms that ``have`` writes differently, as "ALA2-H from HN".
    """

    indices: NDArray[np.intp]
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    reordered: int
    renamed: tuple[str, ...]

    @property
    def report(self) -> str:
        """One line: how many atoms were matched, missing, extra, reordered and renamed, with the first of each."""
        parts = [f"{int((self.indices >= 0).sum())} of {len(self.indices)} atoms matched"]
        for what, names in (("missing", self.missing), ("extra", self.extra), ("renamed", self.renamed)):
            if names:
                parts.append(f"{len(names)} {what} ({_some(names)})")
        return "; ".join([*parts, f"{self.reordered} reordered"])


def match_atoms(have: mdtraj.Topology, want: mdtraj.Topology) -> AtomMatch:
    """For each atom of ``want`` the atom of ``have`` with the same residue and the same name.

    Residues correspond by their place in the sequence: each chain of ``want`` is looked for, residue name by residue
    name, in the sequence of ``have``, which may have more before, after and between chains (caps, ends, water). Names
    are compared in canonical form (see ``names``), so dialects match. Copies of one chain correspond in order if all
    are wanted; otherwise a chain found in several places goes where the residue numbers agree too.

    Raises DataError when a chain of ``want`` is not found, is found in several places that nothing tells apart, or
    when an atom is missing; the message is the report.
    """
    ours, theirs = canonical_residues(have), canonical_residues(want)
    partners = _align(ours, theirs)
    indices = np.full(want.n_atoms, -1, dtype=np.intp)
    for residue, partner in zip(theirs, partners, strict=True):
        place = dict(zip(partner.names, partner.atoms, strict=True))
        indices[list(residue.atoms)] = [place.get(name, -1) for name in residue.names]
    match = _report(have, want, theirs, indices)
    if match.missing:
        raise DataError(f"atoms do not match: {match.report}; use a topology that has the missing atoms")
    return match


def _align(ours: Sequence[CanonicalResidue], theirs: Sequence[CanonicalResidue]) -> list[CanonicalResidue]:
    """The residue of ``ours`` for each of ``theirs``, chain by chain, never the same one twice."""
    names = [residue.name for residue in ours]
    partners: list[CanonicalResidue] = []
    free = [True] * len(ours)
    chains = _chains(theirs)
    sequences = [[residue.name for residue in chain] for chain in chains]
    for number, (chain, wanted) in enumerate(zip(chains, sequences, strict=True)):
        count = len(wanted)
        starts = [
            k for k in range(len(ours) - count + 1) if names[k : k + count] == wanted and all(free[k : k + count])
        ]
        same = [k for k in starts if [r.number for r in ours[k : k + count]] == [r.number for r in chain]]
        if len(starts) == sequences[number:].count(wanted):  # all copies are wanted: they correspond in order
            same = starts[:1]
        start = _only(starts, same, wanted, ours)
        free[start : start + count] = [False] * count
        partners += ours[start : start + count]
    return partners


def _only(starts: list[int], same: list[int], wanted: list[str], ours: Sequence[CanonicalResidue]) -> int:
    sequence = _some(wanted, 12)
    if not starts:
        raise DataError(
            f"residues do not match: {sequence} ({len(wanted)} residues) is not part of "
            f"{_some([residue.name for residue in ours], 12)} ({len(ours)} residues); use topologies of one molecule"
        )
    if len(starts) == 1:
        return starts[0]
    if len(same) == 1 or len(wanted) == 1:  # single residues (ions, waters) are taken in order
        return same[0] if len(same) == 1 else starts[0]
    places = ", ".join(f"{ours[k].name}{ours[k].number}" for k in starts[:LISTED])
    raise DataError(f"residues match in {len(starts)} places: {sequence} begins at {places}; cut out the one you mean")


def _chains(residues: Sequence[CanonicalResidue]) -> list[list[CanonicalResidue]]:
    """Runs of residues in one chain; water and ions are runs of their own."""
    runs: list[list[CanonicalResidue]] = []
    for residue in residues:
        joined = runs and runs[-1][-1].chain == residue.chain and residue.number - runs[-1][-1].number in {0, 1}
        if joined and "HOH" not in {residue.name, runs[-1][-1].name}:
            runs[-1].append(residue)
        else:
            runs.append([residue])
    return runs


def _report(
    have: mdtraj.Topology, want: mdtraj.Topology, residues: Sequence[CanonicalResidue], indices: NDArray[np.intp]
) -> AtomMatch:
    labels = [""] * want.n_atoms
    for residue in residues:
        for atom, name in zip(residue.atoms, residue.names, strict=True):
            labels[atom] = f"{residue.name}{residue.number}-{name}"
    found = indices[indices >= 0]
    extra = sorted(set(range(have.n_atoms)) - {int(index) for index in found})
    pairs = [(have.atom(int(index)), want.atom(atom)) for atom, index in enumerate(indices) if index >= 0]
    return AtomMatch(
        indices=indices,
        missing=tuple(labels[atom] for atom in np.flatnonzero(indices < 0)),
        extra=tuple(str(have.atom(atom)) for atom in extra),
        reordered=int((found < np.maximum.accumulate(found)).sum()) if len(found) else 0,
        renamed=tuple(f"{other} from {own.name}" for own, other in pairs if own.name != other.name),
    )


def _some(names: Sequence[str], count: int = LISTED) -> str:
    return " ".join(names[:count]) + (" ..." if len(names) > count else "")
