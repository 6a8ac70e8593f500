"""Reads the forces of an OpenMM System; what is not known here is refused by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import openmm
from openmm import unit

from backmapbench.force_field.custom_forces import read_custom_bonds, read_custom_nonbonded, read_custom_torsions
from backmapbench.force_field.custom_solvent import read_custom_solvent
from backmapbench.force_field.expressions import describe
from backmapbench.force_field.interactions import ELECTRIC_CONSTANT, ForceFieldError, ImplicitSolvent, Interactions

OBC_OFFSET = 0.009  # nm, between intrinsic and Born radius (Onufriev, Bashford, Case 2004)
OBC_RESCALING = (1.0, 0.8, 4.85)  # their model II


def read(system: openmm.System) -> Interactions:
    """Every interaction of ``system``. Raises ForceFieldError for a force, or a setting of one, that is not known."""
    found = Interactions(system.getNumParticles())
    for index in range(system.getNumConstraints()):
        i, j, _ = system.getConstraintParameters(index)
        found.constraints.append((i, j))
    for force in system.getForces():
        reader = READERS.get(type(force).__name__)
        if reader is None:
            raise ForceFieldError(f"{describe(force)} has no counterpart in torch; leave it out or score with OpenMM")
        if not isinstance(force, openmm.CMMotionRemover) and force.usesPeriodicBoundaryConditions():
            raise ForceFieldError(f"{describe(force)} is periodic; build the System without a box (NoCutoff)")
        reader(force, found)
    return found


def _plain(values: Any) -> list[float]:
    """Values in OpenMM's own units (nm, kJ/mol, radian, elementary charge)."""
    return [v.value_in_unit_system(unit.md_unit_system) if unit.is_quantity(v) else v for v in values]


def _bonds(force: Any, found: Interactions) -> None:
    found.bonds += [tuple(_plain(force.getBondParameters(index))) for index in range(force.getNumBonds())]


def _angles(force: Any, found: Interactions) -> None:
    found.angles += [tuple(_plain(force.getAngleParameters(index))) for index in range(force.getNumAngles())]


def _torsions(force: Any, found: Interactions) -> None:
    found.torsions += [tuple(_plain(force.getTorsionParameters(index))) for index in range(force.getNumTorsions())]


def _polynomials(force: Any, found: Interactions) -> None:
    found.polynomials += [tuple(_plain(force.getTorsionParameters(index))) for index in range(force.getNumTorsions())]


def _maps(force: Any, found: Interactions) -> None:
    first = len(found.maps)
    for index in range(force.getNumMaps()):
        size, energies = force.getMapParameters(index)
        values = energies.value_in_unit(unit.kilojoule_per_mole) if unit.is_quantity(energies) else energies
        found.maps.append(np.array(values, dtype=np.float64).reshape(size, size).T)  # OpenMM's first angle runs fastest
    for index in range(force.getNumTorsions()):
        number, *atoms = force.getTorsionParameters(index)
        found.mapped.append((first + number, *atoms))


def _nonbonded(force: Any, found: Interactions) -> None:
    if force.getNonbondedMethod() != openmm.NonbondedForce.NoCutoff:
        raise ForceFieldError("NonbondedForce has a cutoff; build the System with nonbondedMethod=NoCutoff")
    if force.getNumParticleParameterOffsets() or force.getNumExceptionParameterOffsets():
        raise ForceFieldError("NonbondedForce has parameter offsets; build the System without them")
    particles = np.array([_plain(force.getParticleParameters(index)) for index in range(found.atoms)])
    charge, sigma, epsilon = particles.reshape(found.atoms, 3).T
    sixth = (0.5 * (sigma[:, None] + sigma)) ** 6
    depth = 4 * np.sqrt(epsilon[:, None] * epsilon)
    general = np.triu(np.ones((found.atoms, found.atoms)), 1)
    for index in range(force.getNumExceptions()):
        i, j, *values = force.getExceptionParameters(index)
        product, length, energy = _plain(values)
        general[min(i, j), max(i, j)] = 0
        if energy != 0:
            found.lennard_jones_14.append((i, j, 4 * energy * length**12, 4 * energy * length**6))
        if product != 0:
            found.coulomb_14.append((i, j, ELECTRIC_CONSTANT * product))
    found.repulsion += general * depth * sixth**2
    found.attraction += general * depth * sixth
    found.charge += general * ELECTRIC_CONSTANT * charge[:, None] * charge


def _solvent(force: Any, found: Interactions) -> None:
    if force.getNonbondedMethod() != openmm.GBSAOBCForce.NoCutoff:
        raise ForceFieldError("GBSAOBCForce has a cutoff; build the System with nonbondedMethod=NoCutoff")
    charge, radius, scale = np.array([_plain(force.getParticleParameters(i)) for i in range(found.atoms)]).T
    (area,) = _plain([force.getSurfaceAreaEnergy()])
    found.solvents.append(
        ImplicitSolvent(
            charge=charge,
            offset_radius=radius - OBC_OFFSET,
            scaled_radius=scale * (radius - OBC_OFFSET),
            radius=radius,
            rescaling=np.repeat(np.array(OBC_RESCALING)[:, None], found.atoms, axis=1),
            engulfed=True,
            inner=ELECTRIC_CONSTANT / force.getSoluteDielectric(),
            outer=ELECTRIC_CONSTANT / force.getSolventDielectric(),
            kappa=0.0,
            surface=4 * np.pi * area,
        )
    )


def _nothing(force: Any, found: Interactions) -> None:
    """Removing the centre of mass's motion costs no energy."""


READERS: dict[str, Callable[[Any, Interactions], None]] = {
    "CMAPTorsionForce": _maps,
    "CMMotionRemover": _nothing,
    "CustomBondForce": read_custom_bonds,
    "CustomGBForce": read_custom_solvent,
    "CustomNonbondedForce": read_custom_nonbonded,
    "CustomTorsionForce": read_custom_torsions,
    "GBSAOBCForce": _solvent,
    "HarmonicAngleForce": _angles,
    "HarmonicBondForce": _bonds,
    "NonbondedForce": _nonbonded,
    "PeriodicTorsionForce": _torsions,
    "RBTorsionForce": _polynomials,
}
