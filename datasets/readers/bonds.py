"""Covalent bonds of standard residues, from the tables that MDTraj ships, and where residues are joined."""

from __future__ import annotations

import functools
import itertools
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from backmapbench.datasets.readers.names import CanonicalResidue, is_protein

Pair = tuple[int, int]

# Hydrogens that the table leaves out: the second one of an N-terminal proline, the other carboxyl oxygen of an acid.
MORE_BONDS = {"PRO": [("H2", "N")], "ASP": [("HD1", "OD1")], "GLU": [("HE1", "OE1")]}
PEPTIDE_NM = 0.2  # a C-N distance up to which residues with a gap in their numbers are joined all the same
DISULFIDE_NM = 0.3  # as in MDTraj


@functools.cache
def template(residue: str) -> frozenset[tuple[str, str]]:
    """Bonds inside a standard residue, as pairs of canonical names; empty for a residue that the table lacks."""
    return _templates().get(residue, frozenset())


def within(residue: CanonicalResidue) -> list[Pair]:
    """Bonds inside one residue between the atoms that are present."""
    index = dict(zip(residue.names, residue.atoms, strict=True))
    return [(index[a], index[b]) for a, b in template(residue.name) if a in index and b in index]


def peptide(residues: Sequence[CanonicalResidue], xyz: NDArray[np.float32] | None) -> Iterator[Pair]:
    """C-N bonds between neighbours of one chain.

    Neighbours whose numbers follow each other are joined (a wrapped molecule has long bonds), others only where the
    atoms are close. ``xyz``: (atoms, 3), nm, or None.
    """
    for before, after in itertools.pairwise(residues):
        if before.chain != after.chain or not (is_protein(before.name) and is_protein(after.name)):
            continue
        if "C" not in before.names or "N" not in after.names:
            continue
        pair = before.atoms[before.names.index("C")], after.atoms[after.names.index("N")]
        if before.name not in {"NME", "NH2"} and (after.number == before.number + 1 or _near(xyz, pair, PEPTIDE_NM)):
            yield pair


def disulfide(residues: Sequence[CanonicalResidue], xyz: NDArray[np.float32] | None) -> list[Pair]:
    """Bonds between close sulfurs of cysteines without a thiol hydrogen, the closest first; each sulfur has one.

    Where no residue of the file has hydrogens the distance alone decides. ``xyz``: (atoms, 3), nm, or None (no bonds).
    """
    thiolless = [r for r in residues if r.name == "CYS" and "SG" in r.names and "HG" not in r.names]
    free = [residue.atoms[residue.names.index("SG")] for residue in thiolless]
    if xyz is None:
        return []
    pairs = [(float(np.linalg.norm(xyz[a] - xyz[b])), a, b) for k, a in enumerate(free) for b in free[k + 1 :]]
    taken: set[int] = set()
    found = []
    for distance, a, b in sorted(pairs):
        if distance < DISULFIDE_NM and not {a, b} & taken:
            taken |= {a, b}
            found.append((a, b))
    return found


def _near(xyz: NDArray[np.float32] | None, pair: Pair, limit: float) -> bool:
    return xyz is not None and float(np.linalg.norm(xyz[pair[0]] - xyz[pair[1]])) <= limit


@functools.cache
def _templates() -> dict[str, frozenset[tuple[str, str]]]:
    path = files("mdtraj.formats.pdb") / "data" / "residues.xml"
    found = {}
    for entry in ET.fromstring(path.read_text(encoding="utf-8")).iter("Residue"):  # noqa: S314
        name = entry.attrib["name"]
        bonds = [(bond.attrib["from"], bond.attrib["to"]) for bond in entry.iter("Bond")]
        inner = [pair for pair in bonds if not any(end.startswith("-") for end in pair)]
        found[name] = frozenset([*inner, *MORE_BONDS.get(name, [])])
    return found
