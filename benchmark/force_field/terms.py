"""The terms of a force field: which interactions go under which name, and the module that evaluates them."""

from __future__ import annotations

import itertools

from torch import nn

from backmapbench.force_field.bonded import FourierTorsions, HarmonicAngles, HarmonicBonds, HarmonicTorsions
from backmapbench.force_field.interactions import Interactions
from backmapbench.force_field.pairs import AllPairs, SpecialPairs
from backmapbench.force_field.solvent import GeneralisedBorn
from backmapbench.force_field.torsion_maps import TorsionMaps

TERMS = {
    "bonds": "stretching of covalent bonds",
    "urey_bradley": "springs between the ends of an angle",
    "angles": "bending",
    "torsions": "torsions about a bond (four atoms bonded in a row), of any functional form",
    "impropers": "torsions of four atoms not bonded in a row, of any functional form",
    "cmap": "maps over two torsions",
    "lennard_jones": "Lennard-Jones of all pairs without values of their own",
    "coulomb": "Coulomb of all pairs without values of their own",
    "lennard_jones_14": "Lennard-Jones of pairs with values of their own (three bonds apart)",
    "coulomb_14": "Coulomb of pairs with values of their own (three bonds apart)",
    "solvent": "implicit solvent: polarisation and surface",
}
"""Names of all terms, in the order in which they are reported, with what each holds."""

Rows = list[tuple[float, ...]]


def build(found: Interactions) -> list[tuple[tuple[str, ...], nn.Module]]:
    """Modules for all interactions, each with the names of the energies it returns; several may add to one name.

    A System does not tell a bond from a Urey-Bradley spring, nor a torsion from an improper: connectivity does.
    """
    bonded = found.bonded()

    def split(rows: Rows, atoms: int) -> tuple[Rows, Rows]:
        """Rows whose atoms are bonded in a row, and the others."""
        along: Rows = []
        across: Rows = []
        for row in rows:
            in_a_row = all((min(step), max(step)) in bonded for step in itertools.pairwise(row[:atoms]))
            (along if in_a_row else across).append(row)
        return along, across

    bonds, urey_bradley = split(found.bonds, 2)
    periodic, polynomials, harmonic = (
        split(rows, 4) for rows in (found.torsions, found.polynomials, found.harmonic_torsions)
    )
    modules: list[tuple[tuple[str, ...], nn.Module]] = []
    for name, rows in (("bonds", bonds), ("urey_bradley", urey_bradley)):
        modules += [((name,), HarmonicBonds(rows))] if rows else []
    modules += [(("angles",), HarmonicAngles(found.angles))] if found.angles else []
    for side, name in enumerate(("torsions", "impropers")):
        if periodic[side] or polynomials[side]:
            modules.append(((name,), FourierTorsions(periodic[side], polynomials[side])))
        modules += [((name,), HarmonicTorsions(harmonic[side]))] if harmonic[side] else []
    modules += [(("cmap",), TorsionMaps(found.maps, found.mapped))] if found.mapped else []
    return modules + _without_bonds(found)


def _without_bonds(found: Interactions) -> list[tuple[tuple[str, ...], nn.Module]]:
    modules: list[tuple[tuple[str, ...], nn.Module]] = []
    if found.repulsion.any() or found.attraction.any() or found.charge.any():
        pairs = AllPairs(found.repulsion, found.attraction, found.charge)
        modules.append((("lennard_jones", "coulomb"), pairs))
    for name, rows in (("lennard_jones_14", found.lennard_jones_14), ("coulomb_14", found.coulomb_14)):
        modules += [((name,), SpecialPairs(rows))] if rows else []
    return modules + [(("solvent",), GeneralisedBorn(model)) for model in found.solvents]
