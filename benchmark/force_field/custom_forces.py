"""Custom bonds, torsions and Lennard-Jones tables of CHARMM36 and its relatives, recognised by their expressions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import openmm
from numpy.typing import NDArray

from backmapbench.force_field.expressions import columns, describe, literal, recognise
from backmapbench.force_field.interactions import ForceFieldError, Interactions

HARMONIC_BONDS = (literal("k*(r-r0)^2"), literal("@factor@*k*(r-r0)^2"))
LENNARD_JONES_BOND = literal("@factor@*epsilon*((sigma/r)^12-(sigma/r)^6)")
COEFFICIENT_BOND = literal("-C/r^6+A/r^12")

HARMONIC_TORSIONS = (
    literal("k*(theta-theta0)^2"),
    literal("@factor@*k*(theta-theta0)^2"),
    literal("k*min(dtheta,2*@pi@-dtheta)^2;dtheta=abs(theta-theta0)"),
    literal("k*min(dtheta,2*pi-dtheta)^2;dtheta=abs(theta-theta0);pi=@pi@"),
    literal("@factor@*k*min(dtheta,2*pi-dtheta)^2;dtheta=abs(theta-theta0);pi=@pi@"),
)

TABLES = (
    literal("acoef(type1,type2)/r^12-bcoef(type1,type2)/r^6"),
    literal("(a/r6)^2-b/r6;r6=r^6;a=acoef(type1,type2);b=bcoef(type1,type2)"),
)


def read_custom_bonds(force: Any, found: Interactions) -> None:
    """Harmonic (Urey-Bradley) bonds and 1-4 Lennard-Jones pairs."""
    form, numbers = recognise(force, (*HARMONIC_BONDS, LENNARD_JONES_BOND, COEFFICIENT_BOND))
    factor = numbers.get("factor", 1.0)
    names = [("k", "r0"), ("k", "r0"), ("sigma", "epsilon"), ("A", "C")][form]
    order = columns(force, names, "Bond")
    for index in range(force.getNumBonds()):
        i, j, values = force.getBondParameters(index)
        first, second = (values[place] for place in order)
        if names[0] == "k":
            found.bonds.append((i, j, second, 2 * factor * first))
        elif names[0] == "A":
            found.lennard_jones_14.append((i, j, first, second))
        else:
            found.lennard_jones_14.append((i, j, factor * second * first**12, factor * second * first**6))


def read_custom_torsions(force: Any, found: Interactions) -> None:
    """Harmonic torsions; one whose expression does not wrap the difference is not wrapped here either."""
    _, numbers = recognise(force, HARMONIC_TORSIONS)
    factor, period = numbers.get("factor", 1.0), 2 * numbers.get("pi", math.inf)
    order = columns(force, ("k", "theta0"), "Torsion")
    for index in range(force.getNumTorsions()):
        *atoms, values = force.getTorsionParameters(index)
        constant, angle = (values[place] for place in order)
        found.harmonic_torsions.append((*atoms, angle, 2 * factor * constant, period))


def read_custom_nonbonded(force: Any, found: Interactions) -> None:
    """Lennard-Jones coefficients tabulated by pair of types (NBFIX)."""
    form, _ = recognise(force, TABLES)
    if force.getNonbondedMethod() != openmm.CustomNonbondedForce.NoCutoff:
        raise ForceFieldError(f"{describe(force)} has a cutoff; build the System with nonbondedMethod=NoCutoff")
    if force.getNumInteractionGroups():
        raise ForceFieldError(f"{describe(force)} has interaction groups; build it between all particles")
    columns(force, ("type",), "Particle")
    kinds = np.array([int(force.getParticleParameters(index)[0]) for index in range(found.atoms)])
    repulsion = _tabulated(force, "acoef")[np.ix_(kinds, kinds)]
    attraction = _tabulated(force, "bcoef")[np.ix_(kinds, kinds)]
    general = np.triu(np.ones((found.atoms, found.atoms)), 1)
    for index in range(force.getNumExclusions()):
        i, j = sorted(force.getExclusionParticles(index))
        general[i, j] = 0
    found.repulsion += general * (repulsion if form == 0 else repulsion**2)
    found.attraction += general * attraction


def _tabulated(force: Any, name: str) -> NDArray[np.float64]:
    for index in range(force.getNumTabulatedFunctions()):
        if force.getTabulatedFunctionName(index) == name:
            rows, across, values = force.getTabulatedFunction(index).getFunctionParameters()
            return np.array(values, dtype=np.float64).reshape(across, rows).T  # the first index runs fastest
    raise ForceFieldError(f"{describe(force)} lacks its table '{name}'; add it to the force")
