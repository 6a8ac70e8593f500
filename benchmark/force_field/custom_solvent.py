"""Generalised Born models as OpenMM CustomGBForces: OBC1, OBC2, GBn and GBn2, recognised by their expressions."""

from __future__ import annotations

from typing import Any

import numpy as np
import openmm
from numpy.typing import NDArray

from backmapbench.force_field.expressions import describe, literal, match
from backmapbench.force_field.interactions import ForceFieldError, ImplicitSolvent, Interactions

SPHERES = (
    "select(step(r+sr2-or1),0.5*(1/L-1/U+0.25*(r-sr2^2/r)*(1/(U^2)-1/(L^2))+0.5*log(L/U)/r),0);"
    "U=r+sr2;L=max(or1,D);D=abs(r-sr2)"
)
NECK = (
    "Ivdw+neckScale*Ineck;Ineck=step(radius1+radius2+neckCut-r)*getm0(radindex1,radindex2)"
    "/(1+100*(r-getd0(radindex1,radindex2))^2+0.3*1000000*(r-getd0(radindex1,radindex2))^6);"
    "Ivdw=" + SPHERES + ";radius1=or1+offset;radius2=or2+offset;neckScale=@scale@;neckCut=@cut@;offset=@offset@"
)
RADIUS = ";psi=I*or;radius=or+offset;offset=@offset@"
BORN = (
    literal("1/(1/or-tanh(psi-@beta@*psi^2+@gamma@*psi^3)/radius)" + RADIUS),
    literal("1/(1/or-tanh(@alpha@*psi-@beta@*psi^2+@gamma@*psi^3)/radius)" + RADIUS),
    literal("1/(1/or-tanh(@alpha@*psi+@gamma@*psi^3)/radius)" + RADIUS),
    literal("1/(1/or-tanh(alpha*psi-beta*psi^2+gamma*psi^3)/radius)" + RADIUS),
)
CONSTANTS = ";solventDielectric=@outer@;soluteDielectric=@inner@;kappa=@kappa@;offset=@offset@"
SELF = (
    literal("-0.5*@electric@*(1/soluteDielectric-1/solventDielectric)*charge^2/B" + CONSTANTS),
    literal("-0.5*@electric@*(1/soluteDielectric-exp(-kappa*B)/solventDielectric)*charge^2/B" + CONSTANTS),
)
SURFACE = literal("@surface@*(radius+0.14)^2*(radius/B)^6;radius=or+offset" + CONSTANTS)
DISTANCE = ";f=sqrt(r^2+B1*B2*exp(-r^2/(4*B1*B2)))"
PAIR = (
    literal("-@electric@*(1/soluteDielectric-1/solventDielectric)*charge1*charge2/f" + DISTANCE + CONSTANTS),
    literal(
        "-@electric@*(1/soluteDielectric-exp(-kappa*f)/solventDielectric)*charge1*charge2/f" + DISTANCE + CONSTANTS
    ),
)


def read_custom_solvent(force: Any, found: Interactions) -> None:
    """One generalised Born model. Raises ForceFieldError naming the expression that is not known."""
    if force.getNonbondedMethod() != openmm.CustomGBForce.NoCutoff:
        raise ForceFieldError("CustomGBForce has a cutoff; build the System with nonbondedMethod=NoCutoff")
    if force.getNumComputedValues() != 2 or force.getNumExclusions() or force.getNumGlobalParameters():
        raise ForceFieldError("CustomGBForce is not one of OBC1, OBC2, GBn, GBn2; use one of them or score with OpenMM")
    integral, neck = _known(force.getComputedValueParameters(0)[1], (literal(SPHERES), literal(NECK)))
    form, born = _known(force.getComputedValueParameters(1)[1], BORN)
    energy = _energies(force)
    names = [force.getPerParticleParameterName(i) for i in range(force.getNumPerParticleParameters())]
    values = np.array([force.getParticleParameters(i) for i in range(found.atoms)]).reshape(found.atoms, -1).T
    of = dict(zip(names, values, strict=True))
    given = [of[name] for name in ("alpha", "beta", "gamma")] if form == 3 else None
    constant = [born.get("alpha", 1.0), born.get("beta", 0.0), born["gamma"]] if given is None else given
    found.solvents.append(
        ImplicitSolvent(
            charge=of["charge"],
            offset_radius=of["or"],
            scaled_radius=of["sr"],
            radius=of["or"] + born["offset"],
            rescaling=np.array(np.broadcast_arrays(*constant, of["or"])[:3]),
            engulfed=False,
            inner=energy["electric"] / energy["inner"],
            outer=energy["electric"] / energy["outer"],
            kappa=energy["kappa"],
            surface=energy.get("surface", 0.0),
            neck=_neck(force, of["radindex"], neck["scale"]) if integral == 1 else None,
            neck_cutoff=neck.get("cut", 0.0),
        )
    )


def _known(expression: str, patterns: tuple[str, ...]) -> tuple[int, dict[str, float]]:
    found = match(expression, patterns)
    if found is None:
        raise ForceFieldError(f"CustomGBForce '{expression}' has no counterpart in torch; score with OpenMM")
    return found


def _energies(force: Any) -> dict[str, float]:
    """Constants of the energy terms, each of which must be known."""
    numbers: dict[str, float] = {}
    kinds = []
    for index in range(force.getNumEnergyTerms()):
        form, found = _known(force.getEnergyTermParameters(index)[0], (*SELF, *PAIR, SURFACE))
        kinds.append(("self", "self", "pair", "pair", "surface")[form])
        numbers |= found
    if sorted(kinds) not in (["pair", "self"], ["pair", "self", "surface"]):
        raise ForceFieldError(f"{describe(force)} has energy terms {kinds}; it needs one self and one pair term")
    return numbers


def _neck(force: Any, kinds: NDArray[np.float64], scale: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance and height of the neck integral for every pair of atoms (first index: the atom that is descreened)."""
    tables = {}
    for index in range(force.getNumTabulatedFunctions()):
        rows, across, values = force.getTabulatedFunction(index).getFunctionParameters()
        tables[force.getTabulatedFunctionName(index)] = np.array(values, dtype=np.float64).reshape(across, rows).T
    pairs = np.ix_(kinds.astype(int), kinds.astype(int))
    return tables["getd0"][pairs], scale * tables["getm0"][pairs]
