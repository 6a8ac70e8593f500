"""One set of residue and atom names for all sources: those of the PDB, version 3, with caps as residues of their own.

CHARMM, AMBER, GROMACS and older PDB files name the same atoms differently (HN for H, HB1 and HB2 for HB3 and HB2, CD
for CD1 of isoleucine, OT1 for O) and CHARMM keeps the caps inside the first and last residue. Single names are
translated by the replacement table that MDTraj ships; what depends on the other names of a residue is decided here.
"""

from __future__ import annotations

import functools
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import mdtraj

# Protonation variants and spellings that MDTraj's table lacks.
MORE_RESIDUES = {
    "HSE": "HIS",
    "ASH": "ASP",
    "ASPP": "ASP",
    "GLH": "GLU",
    "GLUP": "GLU",
    "LYN": "LYS",
    "LSN": "LYS",
    "CYM": "CYS",
    "CYS2": "CYS",
    "CYX": "CYS",
    "NHE": "NH2",
    "H2O": "HOH",
    "TP3": "HOH",
    "TIP3P": "HOH",
    "SPC": "HOH",
    "T4P": "HOH",
}
MORE_ATOMS = {"O'": "O", "O''": "OXT", "1OXT": "O", "2OXT": "OXT"}
ACE_PATCH = {"CAY": "CH3", "HY1": "H1", "HY2": "H2", "HY3": "H3", "CY": "C", "OY": "O"}
NME_PATCH = {"NT": "N", "HNT": "H", "CAT": "C"}
NH2_PATCH = {"NT": "N", "HT1": "HN1", "HT2": "HN2"}
METHYL = ("H1", "H2", "H3")


@dataclass(frozen=True)
class CanonicalResidue:
    """A residue under its canonical name.

    ``atoms``: indices in the topology, ascending; ``names``: their canonical names; ``chain``: index of the chain;
    ``number``: number in the file.
    """

    name: str
    chain: int
    number: int
    atoms: tuple[int, ...]
    names: tuple[str, ...]


def canonical_residues(topology: mdtraj.Topology) -> list[CanonicalResidue]:
    """All residues in file order under canonical names; CHARMM's caps are split off as ACE, NME and NH2."""
    found = []
    for residue in topology.residues:
        atoms = list(residue.atoms)
        indices = [atom.index for atom in atoms]
        for name, shift, members, names in canonical_parts(residue.name, [atom.name for atom in atoms]):
            chosen = tuple(indices[member] for member in members)
            found.append(CanonicalResidue(name, residue.chain.index, residue.resSeq + shift, chosen, tuple(names)))
    return found


def canonical_parts(residue: str, atoms: Sequence[str]) -> list[tuple[str, int, list[int], list[str]]]:
    """Name, shift of the residue number, atoms (positions in ``atoms``) and their names, for each part of a residue.

    Most residues are one part; a cap inside an amino acid is a part of its own, one number before or after.
    """
    name = canonical_residue_name(residue)
    upper = [atom.upper() for atom in atoms]
    front, back = [], []
    if name not in {"ACE", "NME", "NH2"} and is_protein(name):
        front = [k for k, atom in enumerate(upper) if atom in ACE_PATCH]
        back = list(range(upper.index("NT"), len(upper))) if "NT" in upper else []
    middle = [k for k in range(len(atoms)) if k not in {*front, *back}]
    parts = []
    if front:
        parts.append(("ACE", -1, front, [ACE_PATCH[upper[k]] for k in front]))
    parts.append((name, 0, middle, canonical_atom_names(name, [upper[k] for k in middle])))
    if back:
        parts.append(_end_cap(back, [upper[k] for k in back]))
    return parts


def canonical_residue_name(name: str) -> str:
    """HIE to HIS, NMA to NME, TIP3 to HOH and so on; unknown names come back in capitals."""
    upper = name.strip().upper()
    return _tables()[0].get(upper, MORE_RESIDUES.get(upper, upper))


def is_protein(name: str) -> bool:
    """Whether a canonical name is an amino acid or a cap of a peptide."""
    return name in _tables()[2]


def canonical_atom_names(residue: str, atoms: Sequence[str]) -> list[str]:
    """Names of the atoms of one residue (canonical name, no foreign caps), given all of them in file order."""
    table = _tables()[1].get(residue, {})
    names = [table.get(atom, MORE_ATOMS.get(atom, atom) if is_protein(residue) else atom) for atom in atoms]
    if residue == "NME" and names.count("H") > 1:
        names = _methyl_after_carbon(names)
    if residue == "PRO" and "H" in names:  # the table numbers an NH2+ from 1; the PDB has H2 and H3
        other = "H3" if "H2" in names else "H2"
        names = [other if name == "H" else name for name in names]
    return names


def _end_cap(members: list[int], names: list[str]) -> tuple[str, int, list[int], list[str]]:
    if "CAT" not in names:
        return "NH2", 1, members, [NH2_PATCH.get(name, name) for name in names]
    # Tables for amino acids turn HT1, HT2, HT3 into H, H2, H3, so only the order tells the methyl group's hydrogens.
    methyl = iter(METHYL)
    return "NME", 1, members, [NME_PATCH.get(name) or next(methyl, name) for name in names]


def _methyl_after_carbon(names: list[str]) -> list[str]:
    """The hydrogens of N-methyl amide when a table meant for amino acids called one of the methyl group's H as well."""
    carbon, seen, methyl = names.index("C") if "C" in names else 0, False, iter(METHYL)
    fixed = []
    for k, name in enumerate(names):
        if name == "H" and not seen and k < carbon:
            seen = True
            fixed.append("H")
        else:
            fixed.append(next(methyl, name) if name in {"H", *METHYL} else name)
    return fixed


@functools.cache
def _tables() -> tuple[dict[str, str], dict[str, dict[str, str]], frozenset[str]]:
    """Residue names, atom names by residue, and the residues of proteins, from MDTraj's table of PDB names."""
    residues: dict[str, str] = {}
    atoms: dict[str, dict[str, str]] = {}
    common: dict[str, dict[str, str]] = {"All": {}, "Protein": {}, "Nucleic": {}}
    proteins = set()
    path = files("mdtraj.formats.pdb") / "data" / "pdbNames.xml"
    for entry in ET.fromstring(path.read_text(encoding="utf-8")).iter("Residue"):  # noqa: S314
        name, kind = entry.attrib["name"], entry.attrib.get("type", "")
        own = {alias: atom.attrib["name"] for atom in entry.iter("Atom") for alias in atom.attrib.values()}
        if name in common:
            common[name] = own
            continue
        residues |= {alias: name for key, alias in entry.attrib.items() if key != "type"}
        atoms[name] = common["All"] | common.get(kind, {}) | own
        if kind == "Protein":
            proteins.add(name)
    return residues, atoms, frozenset(proteins)
