"""The 20 amino acids as internal coordinates: which atoms, placed from which, about which torsion."""

from __future__ import annotations

from dataclasses import dataclass

BACKBONE = ("N", "CA", "C", "O", "CB")
FIRST_SIDE = len(BACKBONE)  # slot of the first atom that is placed along the side chain
MOST_SIDE = 9  # such atoms in tryptophan
TERMINAL_OXYGEN = FIRST_SIDE + MOST_SIDE
SLOTS = TERMINAL_OXYGEN + 1
CHIS = 4


@dataclass(frozen=True)
class SideAtom:
    """One side-chain atom beyond CB.

    Attributes:
        name: as in the PDB's chemical components.
        bonded: atom that gives the bond length.
        angle: atom that gives the angle.
        torsion: atom that gives the torsion.
        chi: 1 to 4: the torsion is this chi plus a constant; 0: it is a constant.
    """

    name: str
    bonded: str
    angle: str
    torsion: str
    chi: int = 0


def _atoms(text: str) -> tuple[SideAtom, ...]:
    found = []
    for entry in text.split():
        name, bonded, angle, torsion, chi = entry.split(":")
        found.append(SideAtom(name, bonded, angle, torsion, int(chi)))
    return tuple(found)


# Atoms of a ring are placed from one end; chi5 of arginine and the far atoms of rings are constants.
SIDE_CHAINS: dict[str, tuple[SideAtom, ...]] = {
    "ALA": (),
    "ARG": _atoms(
        "CG:CB:CA:N:1 CD:CG:CB:CA:2 NE:CD:CG:CB:3 CZ:NE:CD:CG:4 NH1:CZ:NE:CD:0 NH2:CZ:NE:CD:0",
    ),
    "ASN": _atoms("CG:CB:CA:N:1 OD1:CG:CB:CA:2 ND2:CG:CB:CA:2"),
    "ASP": _atoms("CG:CB:CA:N:1 OD1:CG:CB:CA:2 OD2:CG:CB:CA:2"),
    "CYS": _atoms("SG:CB:CA:N:1"),
    "GLN": _atoms("CG:CB:CA:N:1 CD:CG:CB:CA:2 OE1:CD:CG:CB:3 NE2:CD:CG:CB:3"),
    "GLU": _atoms("CG:CB:CA:N:1 CD:CG:CB:CA:2 OE1:CD:CG:CB:3 OE2:CD:CG:CB:3"),
    "GLY": (),
    "HIS": _atoms("CG:CB:CA:N:1 ND1:CG:CB:CA:2 CD2:CG:CB:CA:2 CE1:ND1:CG:CB:0 NE2:CD2:CG:CB:0"),
    "ILE": _atoms("CG1:CB:CA:N:1 CG2:CB:CA:N:1 CD1:CG1:CB:CA:2"),
    "LEU": _atoms("CG:CB:CA:N:1 CD1:CG:CB:CA:2 CD2:CG:CB:CA:2"),
    "LYS": _atoms("CG:CB:CA:N:1 CD:CG:CB:CA:2 CE:CD:CG:CB:3 NZ:CE:CD:CG:4"),
    "MET": _atoms("CG:CB:CA:N:1 SD:CG:CB:CA:2 CE:SD:CG:CB:3"),
    "PHE": _atoms("CG:CB:CA:N:1 CD1:CG:CB:CA:2 CD2:CG:CB:CA:2 CE1:CD1:CG:CB:0 CE2:CD2:CG:CB:0 CZ:CE1:CD1:CG:0"),
    "PRO": _atoms("CG:CB:CA:N:1 CD:CG:CB:CA:2"),
    "SER": _atoms("OG:CB:CA:N:1"),
    "THR": _atoms("OG1:CB:CA:N:1 CG2:CB:CA:N:1"),
    "TRP": _atoms(
        "CG:CB:CA:N:1 CD1:CG:CB:CA:2 CD2:CG:CB:CA:2 NE1:CD1:CG:CB:0 CE2:CD2:CG:CB:0 CE3:CD2:CG:CB:0 "
        "CZ2:CE2:CD2:CG:0 CZ3:CE3:CD2:CG:0 CH2:CZ2:CE2:CD2:0",
    ),
    "TYR": _atoms(
        "CG:CB:CA:N:1 CD1:CG:CB:CA:2 CD2:CG:CB:CA:2 CE1:CD1:CG:CB:0 CE2:CD2:CG:CB:0 CZ:CE1:CD1:CG:0 OH:CZ:CE1:CD1:0",
    ),
    "VAL": _atoms("CG1:CB:CA:N:1 CG2:CB:CA:N:1"),
}
AMINO_ACIDS = tuple(SIDE_CHAINS)
NO_RESIDUE = len(AMINO_ACIDS)  # type beyond a chain's end
RINGS = {"HIS", "PHE", "TRP", "TYR"}  # their atoms are placed without a spread, so that rings close
GLYCINE, PROLINE = AMINO_ACIDS.index("GLY"), AMINO_ACIDS.index("PRO")

PROTONATION = {
    "HID": "HIS", "HIE": "HIS", "HIP": "HIS", "HSD": "HIS", "HSE": "HIS", "HSP": "HIS", "CYX": "CYS", "CYM": "CYS",
    "ASH": "ASP", "GLH": "GLU", "LYN": "LYS",
}  # fmt: skip
OTHER_NAMES = {("ILE", "CD"): "CD1"}
TERMINAL_NAMES = {"OT1": "O", "OT2": "OXT", "O1": "O", "O2": "OXT"}


def amino_acid(name: str) -> str | None:
    """The amino acid that a residue called ``name`` is in some state of protonation; None for all others."""
    plain = PROTONATION.get(name, name)
    return plain if plain in SIDE_CHAINS else None


def slots(name: str) -> dict[str, int]:
    """Slot of each heavy atom of the amino acid ``name``, its terminal oxygen included."""
    places = {atom: slot for slot, atom in enumerate(BACKBONE) if name != "GLY" or atom != "CB"}
    places |= {atom.name: FIRST_SIDE + place for place, atom in enumerate(SIDE_CHAINS[name])}
    return places | {"OXT": TERMINAL_OXYGEN}


def slot_of(residue: str, atom: str) -> int | None:
    """Slot of ``atom`` in ``residue`` (an amino acid), other spellings included; None for an unknown one."""
    places = slots(residue)
    plain = OTHER_NAMES.get((residue, atom), atom)
    return places.get(plain, places.get(TERMINAL_NAMES.get(plain, plain)))


def chis(name: str) -> int:
    """Number of torsions of the side chain that are drawn."""
    return max((atom.chi for atom in SIDE_CHAINS[name]), default=0)
