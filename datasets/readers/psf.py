"""CHARMM, X-PLOR and NAMD structure files (PSF) with the names as written.

MDTraj's own reader translates atom names as it goes, which gives two atoms called H where a cap is kept inside an amino
acid, and refuses files whose atom numbers have gaps; hence this one, which keeps both.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import mdtraj
from mdtraj.core.element import Element, virtual

from backmapbench.errors import DataError


def read_psf(path: Path) -> mdtraj.Topology:
    """Atoms (names as written, elements by mass where there is one) and bonds.

    Raises DataError for a file without a section, with too few entries, or with a bond to an atom that does not exist.
    """
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    if not lines or not lines[0].startswith("PSF"):
        raise DataError(f"{path}: does not begin with PSF; give a CHARMM or X-PLOR structure file")
    topology = mdtraj.Topology()
    indices = _add_atoms(path, topology, list(_section(path, lines, "!NATOM")))
    numbers = [int(word) for line in _section(path, lines, "!NBOND", per_line=4) for word in line.split()]
    # Files made by cutting atoms out keep the old atom numbers in the first column but renumber the bonds.
    known = indices if set(numbers) <= set(indices) else {k + 1: k for k in range(topology.n_atoms)}
    atoms = list(topology.atoms)
    for first, second in zip(numbers[::2], numbers[1::2], strict=True):
        if first not in known or second not in known:
            raise DataError(f"{path}: a bond joins atoms {first} and {second}, which !NATOM does not list; repair it")
        topology.add_bond(atoms[known[first]], atoms[known[second]])
    return topology


def _section(path: Path, lines: list[str], title: str, per_line: int = 1) -> Iterator[str]:
    """The lines of one section, ``per_line`` entries on each."""
    start = next((k for k, line in enumerate(lines) if title in line), None)
    if start is None:
        raise DataError(f"{path}: has no {title} section; give a complete PSF file")
    entries = int(lines[start].split()[0])
    wanted = -(-entries // per_line)
    body = lines[start + 1 : start + 1 + wanted]
    if len(body) < wanted or not all(line.strip() for line in body):
        raise DataError(f"{path}: {title} claims {entries} entries, the file ends before; copy it again")
    yield from body


def _add_atoms(path: Path, topology: mdtraj.Topology, lines: list[str]) -> dict[int, int]:
    indices: dict[int, int] = {}
    chain, residue, last = None, None, None
    for line in lines:
        words = line.split()
        if len(words) < 8 or not words[2].lstrip("-").rstrip("ABCDEFGHIJ").isdigit():
            raise DataError(f"{path}: cannot read the atom '{line.strip()}'; it needs segment, residue, name and mass")
        segment, number, name = words[1], int(words[2].rstrip("ABCDEFGHIJ")), words[3]
        if chain is None or last is None or segment != last[0]:
            chain = topology.add_chain(segment)
        if residue is None or last != (segment, words[2], name):
            residue = topology.add_residue(name, chain, number, segment)
        last = (segment, words[2], name)
        indices[int(words[0])] = topology.n_atoms
        topology.add_atom(words[4], _element(float(words[7])), residue, serial=int(words[0]))
    return indices


def _element(mass: float) -> Element:
    # Repartitioned hydrogens (2 to 4 amu) match no element by mass; names decide later.
    return Element.getByMass(mass) if mass > 0 else virtual
