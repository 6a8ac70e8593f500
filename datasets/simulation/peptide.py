"""Start structures: a peptide from its sequence, a protein cleaned from a PDB file, and torsions set to values."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backmapbench.errors import CardError, DataError

THREE_LETTERS = {
    "A": "ALA", "R": "ARG", "N": "ASN", "D": "ASP", "C": "CYS", "Q": "GLN", "E": "GLU", "G": "GLY", "H": "HIS",
    "I": "ILE", "L": "LEU", "K": "LYS", "M": "MET", "F": "PHE", "P": "PRO", "S": "SER", "T": "THR", "W": "TRP",
    "Y": "TYR", "V": "VAL",
}  # fmt: skip
# Engh and Huber, Acta Cryst. A47, 392 (1991): bond lengths in nm, angles in degrees.
N_CA, CA_C, C_N, C_O, CA_CB = 0.1458, 0.1525, 0.1329, 0.1231, 0.1530
N_CA_C, CA_C_N, C_N_CA = 111.0, 116.2, 121.7
PH = 7.0
CHI = {
    1: (("N",), ("CA",), ("CB",), ("CG", "CG1", "OG", "OG1", "SG")),
    2: (("CA",), ("CB",), ("CG", "CG1"), ("CD", "CD1", "OD1", "ND1", "SD")),
    3: (("CB",), ("CG",), ("CD", "SD"), ("NE", "OE1", "CE")),
    4: (("CG",), ("CD",), ("NE", "CE"), ("CZ", "NZ")),
}
"""Atom names of chi1 to chi4, the alternatives of each place; the first one present is meant."""

Structure = tuple[Any, NDArray[np.float64]]  # OpenMM topology, positions (atoms, 3) in nm


def build_peptide(sequence: str, first: int = 1) -> Structure:
    """An extended peptide with caps: ACE, ``sequence`` (one-letter codes, numbered from ``first``), NME; hydrogens too.

    The backbone is placed by internal coordinates; pdbfixer adds side chains, OpenMM hydrogens (pH 7).
    Raises CardError for a letter that is no amino acid.
    """
    unknown = sorted(set(sequence) - set(THREE_LETTERS))
    if unknown or not sequence:
        raise CardError(f"sequence '{sequence}' has unknown letters {unknown}; use the 20 one-letter codes")
    residues = ["ACE", *(THREE_LETTERS[letter] for letter in sequence), "NME"]
    backbone = _backbone(residues)
    lines, serial = [], 0
    for number, (residue, atoms) in enumerate(zip(residues, backbone, strict=True), start=first - 1):
        for name, xyz in atoms.items():
            serial += 1
            place = "".join(f"{10 * value:8.3f}" for value in xyz)
            lines.append(
                f"ATOM  {serial:5d}  {name:<3s} {residue} A{number:4d}    {place}  1.00  0.00           {name[0]}"
            )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "backbone.pdb"
        path.write_text("\n".join([*lines, "TER", "END", ""]), encoding="utf-8")
        return clean_protein(path)


def clean_protein(path: Path) -> Structure:
    """The protein of a PDB file made complete by pdbfixer: first model, standard residues, missing atoms, hydrogens.

    Water, ions and ligands are removed; missing residues are not built: a gap is an error of the file.
    Raises DataError for a file that pdbfixer cannot use.
    """
    from openmm import unit
    from pdbfixer import PDBFixer

    try:
        fixer = PDBFixer(filename=str(path))
        fixer.findMissingResidues()
        inner = {key: value for key, value in fixer.missingResidues.items() if key[1]}
        lengths = {chain.index: sum(1 for _ in chain.residues()) for chain in fixer.topology.chains()}
        gaps = [key for key in inner if key[1] < lengths.get(key[0], 0)]
        fixer.missingResidues = {}
        fixer.findNonstandardResidues()
        fixer.replaceNonstandardResidues()
        _remove_heterogens(fixer)
        fixer.findMissingAtoms()
        fixer.addMissingAtoms(seed=0)
        fixer.addMissingHydrogens(PH)
    except Exception as error:
        raise DataError(f"{path}: pdbfixer cannot use it ({type(error).__name__}: {error}); give a protein") from error
    if gaps:
        raise DataError(f"{path}: residues are missing inside a chain (after positions {gaps}); model them first")
    return fixer.topology, np.asarray(fixer.positions.value_in_unit(unit.nanometer), dtype=np.float64)


def _remove_heterogens(fixer: Any) -> None:
    """Delete all but amino acids and caps; pdbfixer's own removal takes the caps too."""
    from openmm import app
    from pdbfixer.pdbfixer import proteinResidues

    kept = {*proteinResidues, "ACE", "NME"}
    modeller = app.Modeller(fixer.topology, fixer.positions)
    modeller.delete([residue for residue in fixer.topology.residues() if residue.name not in kept])
    if not modeller.topology.getNumResidues():
        raise ValueError("it holds no protein residue")
    fixer.topology, fixer.positions = modeller.topology, modeller.positions


def set_torsions(
    topology: Any, positions: NDArray[np.float64], targets: Sequence[tuple[tuple[int, int, int, int], float]]
) -> NDArray[np.float64]:
    """Positions with each torsion (four atom indices) turned to its value in radians, in the order given.

    Raises CardError for a torsion whose middle bond is in a ring: it cannot turn.
    """
    xyz = np.array(positions, dtype=np.float64)
    for quad, value in targets:
        xyz = turn(xyz, quad, value, beyond(topology, quad[1], quad[2]))
    return xyz


def turn(
    positions: NDArray[np.float64], quad: tuple[int, int, int, int], value: float, moved: list[int]
) -> NDArray[np.float64]:
    """Positions with the torsion ``quad`` at ``value`` radians: the atoms ``moved`` beyond its bond are rotated."""
    xyz = positions.copy()
    a, b, c, d = quad
    axis = xyz[c] - xyz[b]
    angle = value - dihedral(xyz[a], xyz[b], xyz[c], xyz[d])
    xyz[moved] = _rotate(xyz[moved] - xyz[c], axis / np.linalg.norm(axis), angle) + xyz[c]
    return xyz


def dihedral(a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64], d: NDArray[np.float64]) -> float:
    """Torsion a-b-c-d in radians, IUPAC sign."""
    first, axis, last = b - a, c - b, d - c
    normal, other = np.cross(first, axis), np.cross(axis, last)
    return float(np.arctan2(np.dot(np.cross(normal, other), axis / np.linalg.norm(axis)), np.dot(normal, other)))


def torsion_atoms(topology: Any) -> dict[tuple[str, int], tuple[int, int, int, int]]:
    """Atoms of (name, residue position): phi, psi, omega (of the bond after the residue), chi1 to chi4 where they turn.

    phi of proline and its chi are left out: they are in the ring.
    """
    residues = list(topology.residues())
    names = [{atom.name: atom.index for atom in residue.atoms()} for residue in residues]
    found: dict[tuple[str, int], tuple[int, int, int, int]] = {}
    for place, (residue, atoms) in enumerate(zip(residues, names, strict=True)):
        before = names[place - 1] if place and residues[place - 1].chain is residue.chain else {}
        after = names[place + 1] if place + 1 < len(names) and residues[place + 1].chain is residue.chain else {}
        wanted = {"psi": (atoms.get("N"), atoms.get("CA"), atoms.get("C"), after.get("N"))}
        if residue.name == "ACE":
            wanted = {}
        last = after.get("CA", after.get("C"))
        wanted["omega"] = (atoms.get("CA", atoms.get("CH3")), atoms.get("C"), after.get("N"), last)
        if residue.name != "PRO":
            wanted["phi"] = (before.get("C"), atoms.get("N"), atoms.get("CA"), atoms.get("C"))
            for number, places in CHI.items():
                chosen = [next((atoms[name] for name in options if name in atoms), None) for options in places]
                wanted[f"chi{number}"] = (chosen[0], chosen[1], chosen[2], chosen[3])
        for name, quad in wanted.items():
            if None not in quad:
                found[name, place] = quad  # type: ignore[assignment]
    return found


def _backbone(residues: Sequence[str]) -> list[dict[str, NDArray[np.float64]]]:
    """N, CA, C, O of every residue (C, O and CH3 of ACE; N and C of NME), phi -65 and psi 140: near polyproline II."""
    phi, psi = np.deg2rad([-65.0, 140.0])
    chain = [np.zeros(3), np.array([CA_C, 0.0, 0.0])]  # CH3 and C of ACE
    angle = np.deg2rad(180.0 - CA_C_N)
    chain.append(chain[1] + C_N * np.array([np.cos(angle), np.sin(angle), 0.0]))
    for place in range(1, len(residues)):
        last = place == len(residues) - 1
        chain.append(_place(chain[-3:], N_CA, C_N_CA, np.pi))
        if not last:
            chain.append(_place(chain[-3:], CA_C, N_CA_C, phi))
            chain.append(_place(chain[-3:], C_N, CA_C_N, psi))
    atoms: list[dict[str, NDArray[np.float64]]] = []
    atoms.append({"C": chain[1], "O": _carbonyl(*chain[:3]), "CH3": chain[0]})
    for place in range(1, len(residues) - 1):
        n, ca, c, following = chain[3 * place - 1 : 3 * place + 3]
        atoms.append({"N": n, "CA": ca, "C": c, "O": _carbonyl(ca, c, following)})
        if residues[place] != "GLY":  # with CB in place, side chains cannot be fitted in with the other handedness
            atoms[-1]["CB"] = _beta(n, ca, c)
    atoms.append({"N": chain[-2], "C": chain[-1]})
    return atoms


def _carbonyl(ca: NDArray[np.float64], c: NDArray[np.float64], n: NDArray[np.float64]) -> NDArray[np.float64]:
    """The oxygen on C: in the plane of its two bonds, opposite their bisector."""
    outward = (c - ca) / np.linalg.norm(c - ca) + (c - n) / np.linalg.norm(c - n)
    return c + C_O * outward / np.linalg.norm(outward)


def _beta(n: NDArray[np.float64], ca: NDArray[np.float64], c: NDArray[np.float64]) -> NDArray[np.float64]:
    """CB of an L amino acid: tetrahedral about CA, on the side that makes (N-CA) x (C-CA) . (CB-CA) positive."""
    to_n, to_c = (n - ca) / np.linalg.norm(n - ca), (c - ca) / np.linalg.norm(c - ca)
    normal = np.cross(to_n, to_c)
    direction = -(to_n + to_c) / np.linalg.norm(to_n + to_c) * np.cos(np.deg2rad(54.75))
    placed: NDArray[np.float64] = ca + CA_CB * (direction + normal / np.linalg.norm(normal) * np.sin(np.deg2rad(54.75)))
    return placed


def _place(
    before: Sequence[NDArray[np.float64]], length: float, angle_degrees: float, torsion: float
) -> NDArray[np.float64]:
    """The atom bonded to the last of three, at the given length, angle and torsion."""
    a, b, c = before
    axis = (c - b) / np.linalg.norm(c - b)
    normal = np.cross(b - a, axis)
    normal /= np.linalg.norm(normal)
    angle = np.deg2rad(angle_degrees)
    local = np.array([-np.cos(angle), np.sin(angle) * np.cos(torsion), np.sin(angle) * np.sin(torsion)])
    placed: NDArray[np.float64] = c + length * (local[0] * axis + local[1] * np.cross(normal, axis) + local[2] * normal)
    return placed


def beyond(topology: Any, b: int, c: int) -> list[int]:
    """Atoms on c's side of the bond b-c. Raises CardError for a bond in a ring, about which nothing can turn."""
    bonded: list[list[int]] = [[] for _ in range(topology.getNumAtoms())]
    for bond in topology.bonds():
        bonded[bond.atom1.index].append(bond.atom2.index)
        bonded[bond.atom2.index].append(bond.atom1.index)
    seen, queue = {c}, [c]
    for atom in queue:
        for neighbour in bonded[atom]:
            if neighbour == b and atom != c:
                raise CardError(f"the torsion about atoms {b} and {c} is in a ring and cannot be set; leave it out")
            if neighbour not in seen and neighbour != b:
                seen.add(neighbour)
                queue.append(neighbour)
    return queue


def _rotate(vectors: NDArray[np.float64], axis: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    cosine, sine = np.cos(angle), np.sin(angle)
    turned: NDArray[np.float64] = (
        vectors * cosine + np.cross(axis, vectors) * sine + np.outer(vectors @ axis, axis) * (1 - cosine)
    )
    return turned


def labels(topology: Any) -> Mapping[str, int]:
    """Atom index by label, for example ``ALA2:CA``."""
    return {f"{atom.residue.name}{atom.residue.id}:{atom.name}": atom.index for atom in topology.atoms()}
