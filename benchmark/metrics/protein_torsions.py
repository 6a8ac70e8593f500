"""Backbone and side-chain torsions of a peptide, by residue: which atoms define them."""

from __future__ import annotations

from dataclasses import dataclass

import mdtraj
import numpy as np
from mdtraj.geometry import dihedral
from numpy.typing import NDArray

from backmapbench.metrics.selections import amino_acids, neighbours, symbol

KINDS = ("phi", "psi", "omega", "chi1", "chi2", "chi3", "chi4", "chi5")
CHI = {f"chi{n}": getattr(dihedral, f"indices_chi{n}") for n in range(1, 6)}


@dataclass(frozen=True, eq=False)
class PeptideBonds:
    """Bonds from a carbonyl carbon to the nitrogen of another residue, caps included.

    Attributes:
        omegas: alpha carbon (or a cap's methyl), C, N, alpha carbon of each bond that has both: (omegas, 4).
        proline: whether the nitrogen of each omega is a proline's: (omegas,).
        before: carbonyl carbon bonded to each nitrogen.
        after: nitrogen bonded to each carbonyl carbon.
    """

    omegas: NDArray[np.intp]
    proline: NDArray[np.bool_]
    before: dict[int, int]
    after: dict[int, int]


def peptide_bonds(topology: mdtraj.Topology) -> PeptideBonds:
    """Every bond between an atom C of one residue and an atom N of another.

    Bonds, not numbers, decide: a chain break has none, a cyclic peptide one more. Raises DataError for a topology
    without bonds.
    """
    around = neighbours(topology)
    atoms = list(topology.atoms)
    before, after, omegas, proline = {}, {}, [], []
    for carbon in atoms:
        for nitrogen in (atoms[other] for other in around[carbon.index]):
            if carbon.name != "C" or nitrogen.name != "N" or nitrogen.residue is carbon.residue:
                continue
            before[nitrogen.index], after[carbon.index] = carbon.index, nitrogen.index
            ends = [_alpha(atom, atoms, around) for atom in (carbon, nitrogen)]
            if None not in ends:
                omegas.append((ends[0], carbon.index, nitrogen.index, ends[1]))
                proline.append(nitrogen.residue.name == "PRO")
    return PeptideBonds(np.array(omegas, dtype=np.intp).reshape(-1, 4), np.array(proline, dtype=bool), before, after)


def _alpha(
    atom: mdtraj.core.topology.Atom, atoms: list[mdtraj.core.topology.Atom], around: list[list[int]]
) -> int | None:
    """The atom CA bonded to ``atom``, or a cap's only carbon bonded to it; None where there is neither."""
    inside = [atoms[other] for other in around[atom.index] if atoms[other].residue is atom.residue]
    named = [other.index for other in inside if other.name == "CA"]
    carbons = named or [other.index for other in inside if symbol(other) == "C"]
    return carbons[0] if len(carbons) == 1 else None


def protein_torsions(topology: mdtraj.Topology) -> dict[str, NDArray[np.intp]]:
    """Atom indices (torsions, 4) by kind: phi, psi, omega, chi1 to chi5; (0, 4) where a kind does not occur.

    phi and psi are those of amino-acid residues with a peptide bond on that side, a cap's included; a terminal residue
    without one has none. Names are IUPAC's (chi from MDTraj's tables). Raises DataError for a topology without bonds.
    """
    bonds = peptide_bonds(topology)
    phi, psi = [], []
    for residue in amino_acids(topology):
        n, ca, c = (next(atom.index for atom in residue.atoms if atom.name == name) for name in ("N", "CA", "C"))
        if n in bonds.before:
            phi.append((bonds.before[n], n, ca, c))
        if c in bonds.after:
            psi.append((n, ca, c, bonds.after[c]))
    found = {"phi": phi, "psi": psi, "omega": bonds.omegas} | {name: indices(topology) for name, indices in CHI.items()}
    return {name: np.array(quads, dtype=np.intp).reshape(-1, 4) for name, quads in found.items()}
