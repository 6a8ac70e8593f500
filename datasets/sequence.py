"""The atoms of a peptide from the names of its residues: what a published trajectory is matched against by name."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import mdtraj

from backmapbench.datasets.readers import read_topology
from backmapbench.datasets.schema import Selection
from backmapbench.errors import CardError

TEMPLATES = "amber99sbildn.xml"  # lists the atoms of every residue, caps included, in AMBER's order
VARIANTS = {"HIS": "HIE"}
APART_ANGSTROM = 5.0  # atoms on a line this far apart: no bridge between cysteines is seen where none is known


def topology_of(selection: Selection) -> mdtraj.Topology:
    """Atoms, residues and bonds of ``selection.residues`` under the PDB's names; heavy atoms only if it says so.

    Raises CardError for a residue that the force field's templates lack.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sequence.pdb"
        path.write_text("\n".join([*_lines(selection), "TER", "END", ""]), encoding="utf-8")
        return read_topology(path)


def _lines(selection: Selection) -> Iterator[str]:
    from openmm.app import ForceField

    templates = ForceField(TEMPLATES)._templates  # noqa: SLF001  (OpenMM has no public list of templates)
    serial, last = 0, len(selection.residues) - 1
    for place, residue in enumerate(selection.residues):
        name = VARIANTS.get(residue, residue)
        if place == last and selection.carboxyl_end:
            name = f"C{name}"
        if name not in templates:
            raise CardError(f"selection.residues: no residue '{residue}' in {TEMPLATES}; use three-letter names")
        for atom in templates[name].atoms:
            symbol = atom.element.symbol
            if symbol == "H" and not selection.hydrogens:
                continue
            serial += 1
            label = atom.name if len(atom.name) == 4 else f" {atom.name:<3s}"
            number = selection.first_number + place
            yield (
                f"ATOM  {serial:5d} {label} {residue:<3s} A{number:4d}    "
                f"{serial * APART_ANGSTROM:8.2f}{0:8.3f}{0:8.3f}  1.00  0.00          {symbol:>2s}"
            )
