"""Every functional form on random parameters and positions, against OpenMM's Reference platform."""

from __future__ import annotations

import math

import numpy as np
import openmm
import pytest
import torch
from openmm.app.internal.customgbforces import GBSAGBn2Force, GBSAGBnForce, GBSAOBC1Force, GBSAOBC2Force

from backmapbench.force_field import ForceFieldError, TorchForceField

ATOMS = 6
RNG = np.random.default_rng(3)
XYZ = np.cumsum(RNG.normal(size=(20, ATOMS, 3)) * 0.1, axis=1)


def bonds(expression: str, *parameters: str):
    def make():
        force = openmm.CustomBondForce(expression)
        for name in parameters:
            force.addPerBondParameter(name)
        for i in range(ATOMS - 1):
            force.addBond(i, i + 1, RNG.uniform(0.1, 0.3, size=len(parameters)))
        return force

    return make


def torsions(expression: str):
    def make():
        force = openmm.CustomTorsionForce(expression)
        force.addPerTorsionParameter("theta0")  # in this order, to show that names count and not places
        force.addPerTorsionParameter("k")
        for angle in (0.0, 1.0, -3.0, math.pi):
            force.addTorsion(0, 1, 2, 3, [angle, 50.0])
            force.addTorsion(5, 2, 4, 1, [angle, 70.0])
        return force

    return make


def periodic():
    force = openmm.PeriodicTorsionForce()
    for n in range(1, 8):
        force.addTorsion(n % 2, 2 + n % 2, 4, 5, n, RNG.uniform(-3, 3), RNG.normal())
    return force


def ryckaert_bellemans():
    force = openmm.RBTorsionForce()
    for i in range(3):
        force.addTorsion(i, i + 1, i + 2, i + 3, *RNG.normal(size=6))
    return force


def maps():
    force = openmm.CMAPTorsionForce()
    for size in (4, 24, 9):
        force.addMap(size, RNG.normal(size=size**2))
    for number, first in ((2, 0), (0, 1), (1, 1), (1, 0)):
        force.addTorsion(number, *range(first, first + 4), *range(first + 1, first + 5))
    return force


def tables(expression: str):
    def make():
        force = openmm.CustomNonbondedForce(expression)
        force.addPerParticleParameter("type")
        for name in ("acoef", "bcoef"):
            values = RNG.uniform(0, 1e-3, size=(3, 3))
            force.addTabulatedFunction(name, openmm.Discrete2DFunction(3, 3, (values + values.T).ravel()))
        for i in range(ATOMS):
            force.addParticle([i % 3])
        force.addExclusion(3, 1)
        return force

    return make


def born(model, **options):
    def make():
        force = model(**options)
        extra = [[0.7, 0.5, 0.2]] * ATOMS if model is GBSAGBn2Force else [[]] * ATOMS
        radii = [0.12, 0.17, 0.155, 0.15, 0.17, 0.13]
        screens = [-0.5, 0.8, 0.7, 0.9, 0.7, 0.8] if model is GBSAGBn2Force else [0.85, 0.8, 0.7, 0.9, 0.7, 0.8]
        for i in range(ATOMS):
            force.addParticle([(-1) ** i * 0.4, radii[i], screens[i], *extra[i]])
        force.finalize()
        return force

    return make


FORMS = {
    "CustomBondForce k": bonds("k * (r - r0)^2", "r0", "k"),
    "CustomBondForce 0.5 k": bonds("0.5*k*(r-r0)^2;", "r0", "k"),
    "CustomBondForce LJ14": bonds("2*epsilon*((sigma/r)^12-(sigma/r)^6)", "sigma", "epsilon"),
    "CustomBondForce A C": bonds("-C/r^6+A/r^12", "A", "C"),
    "CustomTorsionForce charmm36.xml": torsions("k*(theta-theta0)^2"),
    "CustomTorsionForce half": torsions("0.5*k*(theta-theta0)^2"),
    "CustomTorsionForce psf": torsions("k*min(dtheta, 2*pi-dtheta)^2; dtheta = abs(theta-theta0);pi = 3.141593;"),
    "CustomTorsionForce prmtop": torsions("k*min(dtheta, 2*3.141592653589793-dtheta)^2; dtheta = abs(theta-theta0)"),
    "PeriodicTorsionForce": periodic,
    "RBTorsionForce": ryckaert_bellemans,
    "CMAPTorsionForce": maps,
    "CustomNonbondedForce": tables("acoef(type1, type2)/r^12 - bcoef(type1, type2)/r^6;"),
    "CustomNonbondedForce psf": tables("(a/r6)^2-b/r6; r6=r^6;a=acoef(type1, type2);b=bcoef(type1, type2)"),
    "OBC1": born(GBSAOBC1Force),
    "OBC2": born(GBSAOBC2Force, SA="ACE", solventDielectric=20.0),
    "OBC2 salt": born(GBSAOBC2Force, kappa=1.3, soluteDielectric=2.0),
    "GBn": born(GBSAGBnForce, SA="ACE"),
    "GBn2": born(GBSAGBn2Force, SA="ACE", kappa=0.7),
}


def system_of(force: openmm.Force) -> openmm.System:
    system = openmm.System()
    for _ in range(ATOMS):
        system.addParticle(1.0)
    system.addForce(force)
    return system


@pytest.mark.parametrize("name", FORMS)
def test_form_is_that_of_openmm(name: str, oracle) -> None:
    system = system_of(FORMS[name]())
    energies, forces = oracle(system, XYZ)
    field = TorchForceField.from_system(system)
    # No matter the parameters, every frame agrees to rounding.
    np.testing.assert_allclose(field(torch.from_numpy(XYZ)), energies, rtol=1e-9, atol=1e-9)
    found = field.forces(torch.from_numpy(XYZ)).numpy()
    np.testing.assert_allclose(found, forces, rtol=1e-7, atol=1e-8 * np.abs(forces).max())


def test_an_atom_inside_another_is_descreened_as_openmm_does_it(oracle) -> None:
    force = openmm.GBSAOBCForce()
    for i in range(ATOMS):
        force.addParticle(0.3 * (-1) ** i, 0.1 if i % 2 else 0.3, 0.9)
    system = system_of(force)
    energies, forces = oracle(system, 0.3 * XYZ)
    field = TorchForceField.from_system(system)
    np.testing.assert_allclose(field(torch.from_numpy(0.3 * XYZ)), energies, rtol=1e-9)
    found = field.forces(torch.from_numpy(0.3 * XYZ)).numpy()
    np.testing.assert_allclose(found, forces, rtol=1e-7, atol=1e-8 * np.abs(forces).max())


def external():
    force = openmm.CustomExternalForce("k*x^2")
    force.addGlobalParameter("k", 1.0)
    return force


def cut_off():
    force = openmm.NonbondedForce()
    force.setNonbondedMethod(openmm.NonbondedForce.CutoffNonPeriodic)
    return force


def boxed():
    force = openmm.HarmonicBondForce()
    force.setUsesPeriodicBoundaryConditions(True)
    return force


def offset():
    force = openmm.NonbondedForce()
    for _ in range(ATOMS):
        force.addParticle(0, 1, 0)
    force.addGlobalParameter("scale", 1.0)
    force.addParticleParameterOffset("scale", 0, 1.0, 0.0, 0.0)
    return force


def grouped():
    force = tables("acoef(type1, type2)/r^12 - bcoef(type1, type2)/r^6;")()
    force.addInteractionGroup([0], [1, 2])
    return force


def half_solvated():
    force = openmm.CustomGBForce()
    for name in ("charge", "or", "sr"):
        force.addPerParticleParameter(name)
    full = born(GBSAOBC2Force)()
    for index in range(2):
        force.addComputedValue(*full.getComputedValueParameters(index))
    force.addEnergyTerm(*full.getEnergyTermParameters(0))
    for _ in range(ATOMS):
        force.addParticle([0, 0.1, 0.1])
    return force


UNKNOWN = {
    "CustomExternalForce 'k\\*x\\^2'": external,
    "CustomBondForce 'k\\*\\(r-r0\\)\\^4'": bonds("k*(r-r0)^4", "k", "r0"),
    "CustomTorsionForce 'k\\*theta": torsions("k*theta+0*theta0"),
    "CustomNonbondedForce '1/r'": lambda: openmm.CustomNonbondedForce("1/r"),
    "NonbondedForce has a cutoff": cut_off,
    "HarmonicBondForce is periodic": boxed,
    "parameter offsets": offset,
    "interaction groups": grouped,
    "per-bond parameters r0, k|per-bond parameters k, r0": bonds("k*(r-r0)^2", "k", "r0", "surplus"),
    "one self and one pair term": half_solvated,
    "CustomGBForce": openmm.CustomGBForce,
    "AmoebaMultipoleForce": openmm.AmoebaMultipoleForce,
}


@pytest.mark.parametrize("message", UNKNOWN)
def test_what_is_unknown_is_one_error_with_its_name(message: str) -> None:
    with pytest.raises(ForceFieldError, match=message):
        TorchForceField.from_system(system_of(UNKNOWN[message]()))


def test_removing_the_centre_of_mass_motion_costs_nothing() -> None:
    field = TorchForceField.from_system(system_of(openmm.CMMotionRemover()))
    assert field.names == ()
    x = torch.from_numpy(XYZ).requires_grad_()
    assert torch.equal(field(x), torch.zeros(20, dtype=torch.float64))
    assert torch.equal(field.forces(x), torch.zeros_like(x))
