"""Which hydrogen of a CH2 group is which: by geometry, because files number the two both ways.

The numbers 2 and 3 of the PDB's names follow the rule of IUPAC-IUB (1970), Biochemistry 9, 3471: seen from the atom
before the carbon, the next heavy atom, the hydrogen of lower and that of higher number go round clockwise.
"""

from __future__ import annotations

from collections.abc import Iterator

import mdtraj
import numpy as np
from numpy.typing import NDArray

from backmapbench.datasets.readers.bonds import template
from backmapbench.datasets.readers.names import CanonicalResidue, canonical_residues

# Bond by bond from the backbone outwards; the glycine carbon counts from N to C.
_ORDER = ("N", "CA", "C", "CB", "CG", "CG1", "SG", "OG", "CD", "CD1", "SD", "CE", "NE", "NZ", "OE1", "NE2")


def methylene_groups(topology: mdtraj.Topology) -> NDArray[np.intp]:
    """Methylene groups of amino acids: (groups, 5), as carbon, atom before, atom after, hydrogen 2, hydrogen 3."""
    found = [group for residue in canonical_residues(topology) for group in _groups(residue)]
    return np.array(found, dtype=np.intp).reshape(-1, 5)


def exchanged(xyz: NDArray[np.floating], groups: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Whether the hydrogens of each group bear each other's names: (groups,); ``xyz`` (atoms, 3), molecules whole."""
    carbon, before, after, low, high = (np.asarray(xyz[groups[:, k]], dtype=np.float64) for k in range(5))
    # From one hydrogen to the other the sign is safe even where the angles are far from ideal.
    turn = np.cross(before - carbon, after - carbon)
    side: NDArray[np.float64] = (turn * (low - high)).sum(axis=1)
    return side > 0


def _groups(residue: CanonicalResidue) -> Iterator[list[int]]:
    index = dict(zip(residue.names, residue.atoms, strict=True))
    bonded: dict[str, set[str]] = {}
    for first, second in template(residue.name):
        if first in index and second in index:
            bonded.setdefault(first, set()).add(second)
            bonded.setdefault(second, set()).add(first)
    for carbon, around in bonded.items():
        hydrogens = sorted(name for name in around if name.startswith("H"))
        heavy = sorted(around - {*hydrogens}, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))
        if carbon.startswith("C") and [h[-1] for h in hydrogens] == ["2", "3"] and len(heavy) == 2:
            if residue.name == "PRO" and carbon == "CD":  # the ring goes on to N, which the order puts first
                heavy = ["CG", "N"]
            yield [index[name] for name in (carbon, *heavy, *hydrogens)]
