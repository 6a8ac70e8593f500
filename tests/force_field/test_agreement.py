"""Energies, forces and single terms against OpenMM's Reference platform."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import openmm
import pytest
import torch
from numpy.typing import NDArray
from openmm import app

from backmapbench.force_field import TERMS, TorchForceField

CASES = ["dipeptide", "dipeptide obc2", "dipeptide gbn2", "chignolin", "chignolin charmm36", "villin", "villin obc2"]

TERMS_OF_FORCE = {
    "CMAPTorsionForce": {"cmap"},
    "CustomBondForce": {"lennard_jones_14"},
    "CustomGBForce": {"solvent"},
    "CustomNonbondedForce": {"lennard_jones"},
    "CustomTorsionForce": {"impropers"},
    "GBSAOBCForce": {"solvent"},
    "HarmonicAngleForce": {"angles"},
    "HarmonicBondForce": {"bonds", "urey_bradley"},
    "NonbondedForce": {"lennard_jones", "coulomb", "lennard_jones_14", "coulomb_14"},
    "PeriodicTorsionForce": {"torsions", "impropers"},
}


def off(found: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    """Largest error of a force component, per frame in units of the largest component."""
    return float((np.abs(found - expected).max((1, 2)) / np.abs(expected).max((1, 2))).max())


@pytest.mark.parametrize("name", CASES)
def test_energies_and_forces_are_those_of_the_reference_platform(name: str, make_case, oracle) -> None:
    case = make_case(name)
    energies, forces = oracle(case.system, case.xyz)
    field = TorchForceField.from_system(case.system)
    scale = sum(term.abs() for term in field.terms(case.tensor()).values()).numpy()

    error = np.abs(field(case.tensor()).numpy() - energies)
    assert (error <= 1e-6 + 1e-9 * scale).all()
    assert off(field.forces(case.tensor()).numpy(), forces) < 1e-9

    single = field.to(torch.float32)
    found = single(case.tensor())
    assert found.dtype == torch.float32
    assert (np.abs(found.numpy() - energies) <= 1e-5 * scale).all()
    # The dipeptide as built is near its minimum under OBC2: 50 kJ/(mol nm) is left of bond forces of 600, which a bond
    # length's last bit in float32 changes by 0.007.
    first = 1 if name == "dipeptide obc2" else 0
    assert off(single.forces(case.tensor()).numpy()[first:], forces[first:]) < 1e-4


@pytest.mark.parametrize("name", ["dipeptide gbn2", "chignolin charmm36", "villin obc2"])
def test_terms_are_those_of_single_forces(name: str, make_case, oracle) -> None:
    case = make_case(name)
    system = openmm.XmlSerializer.clone(case.system)
    terms = TorchForceField.from_system(system).terms(case.tensor())
    assert list(terms) == [term for term in TERMS if term in terms]
    charmm = {type(force).__name__ for force in system.getForces()} >= {"CustomTorsionForce"}
    for group, force in enumerate(system.getForces()):
        force.setForceGroup(group)
    for group, force in enumerate(system.getForces()):
        names = set(TERMS_OF_FORCE[type(force).__name__])
        if charmm:  # its impropers and Lennard-Jones have forces of their own
            shared = {"PeriodicTorsionForce": {"impropers"}, "NonbondedForce": {"lennard_jones", "lennard_jones_14"}}
            names -= shared.get(type(force).__name__, set())
        found = sum(terms[term] for term in names & terms.keys())
        np.testing.assert_allclose(found, oracle(system, case.xyz, 1 << group)[0], rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize(("name", "absent"), [("dipeptide", {"urey_bradley", "cmap"}), ("chignolin charmm36", set())])
def test_terms_are_told_apart_by_connectivity(name: str, absent: set[str], make_case, molecules) -> None:
    field = TorchForceField.from_system(make_case(name).system)
    assert set(field.names) == set(TERMS) - {"solvent"} - absent
    topology = app.PDBFile(str(molecules[name.split(maxsplit=1)[0]])).topology
    bonded = {frozenset((bond[0].index, bond[1].index)) for bond in topology.bonds()}
    in_a_row = {"bonds": True, "urey_bradley": False, "angles": True, "torsions": True, "impropers": False}
    for names, module in zip(field._labels, field._modules_of_terms, strict=True):
        if names[0] in in_a_row:
            for atoms in module.atoms.T.tolist():
                steps = {frozenset(step) for step in itertools.pairwise(atoms)}
                assert (steps <= bonded) == in_a_row[names[0]], names
            if names[0] == "bonds":
                assert module.atoms.shape == (2, len(bonded))


def test_charges_and_spheres_by_hand(two_atoms: Callable[..., openmm.System]) -> None:
    field = TorchForceField.from_system(two_atoms(charges=(0.5, -0.4), sigma=0.3, epsilon=0.7))
    x = torch.zeros(3, 2, 3, dtype=torch.float64)
    x[:, 1, 0] = torch.tensor([0.3, 0.3 * 2 ** (1 / 6), 1.0], dtype=torch.float64)
    terms = field.terms(x)
    # CODATA 2018: e^2 N_A / (4 pi epsilon_0) = 138.935457644 kJ nm/mol.
    np.testing.assert_allclose(terms["coulomb"], -0.2 * 138.935457644 / x[:, 1, 0].numpy(), rtol=1e-11)
    np.testing.assert_allclose(terms["lennard_jones"][:2], [0.0, -0.7], atol=1e-12)
    np.testing.assert_allclose(terms["lennard_jones"][2], 2.8 * (0.3**12 - 0.3**6), rtol=1e-12)


@pytest.fixture
def two_atoms() -> Callable[..., openmm.System]:
    def make(charges, sigma, epsilon):
        system = openmm.System()
        force = openmm.NonbondedForce()
        for charge in charges:
            system.addParticle(1.0)
            force.addParticle(charge, sigma, epsilon)
        system.addForce(force)
        return system

    return make
