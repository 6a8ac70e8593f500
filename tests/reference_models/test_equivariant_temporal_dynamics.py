"""Energies, constraints and settling of the equivariant temporal model, against OpenMM and statistical mechanics."""

import numpy as np
import openmm
import pytest

from backmapbench.reference_models.equivariant_temporal import settling
from backmapbench.reference_models.equivariant_temporal.constraints import Constraints
from backmapbench.reference_models.equivariant_temporal.nonbonded import Nonbonded
from backmapbench.reference_models.equivariant_temporal.settling import Settling, force_field_system
from backmapbench.reference_models.equivariant_temporal.springs import fitted_springs
from backmapbench.tasks import load_task

FILES = ("amber99sbildn.xml",)
THERMAL = 2.91  # kJ/mol, 350 K


@pytest.fixture(scope="module")
def task():
    return load_task("cln-mini-temporal")


@pytest.fixture(scope="module")
def atoms(task):
    return task.training_set().train.positions[::16].astype(np.float64)


@pytest.fixture(scope="module")
def field(task):
    return force_field_system(task.system.topology, FILES)


@pytest.fixture(scope="module")
def constraints(task):
    return Constraints.fit(task.system.topology, task.system.mapping.slice_atoms, task.training_set().train.positions)


def screened(system, dielectric, across_torsions):
    """OpenMM's own System with charges screened and, if wanted, no Lennard-Jones energy across torsions."""
    force = next(force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))
    for atom in range(force.getNumParticles()):
        charge, sigma, depth = force.getParticleParameters(atom)
        force.setParticleParameters(atom, charge / np.sqrt(dielectric), sigma, depth)
    for number in range(force.getNumExceptions()):
        first, second, product, sigma, depth = force.getExceptionParameters(number)
        force.setExceptionParameters(
            number, first, second, product / dielectric, sigma, depth if across_torsions else 0.0
        )
    return system


def context_of(system):
    return openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform("Reference"))


def test_contacts_against_openmm(task, atoms, field):
    """All pairs but Lennard-Jones across torsions; parts of the molecule add up to the whole."""
    contacts = Nonbonded(field, 4.0, across_torsions=False)
    system = screened(force_field_system(task.system.topology, FILES), 4.0, across_torsions=False)
    for index in reversed(range(system.getNumForces())):
        if not isinstance(system.getForce(index), openmm.NonbondedForce):
            system.removeForce(index)
    context, part = context_of(system), np.arange(60, 90)
    rest = np.setdiff1d(np.arange(175), part)
    for frame in atoms[:3]:
        context.setPositions(frame)
        exact = context.getState(getEnergy=True).getPotentialEnergy()._value
        found = contacts.within(np.arange(175), frame)
        np.testing.assert_allclose(found, exact, rtol=1e-6)
        parts = contacts.within(part, frame[part]) + contacts.within(rest, frame[rest])
        across = contacts.with_others(part, np.stack([frame[part]] * 2)[None], frame[None])
        np.testing.assert_allclose(across, [[found - parts] * 2], rtol=1e-6)


def test_forces_against_openmm(task, atoms, field, constraints):
    settle = Settling(field, constraints, 3.0, THERMAL)
    context = context_of(screened(force_field_system(task.system.topology, FILES), 3.0, across_torsions=True))
    for frame, force in zip(atoms[:3], settle.forces(atoms[:3]), strict=True):
        context.setPositions(frame)
        exact = context.getState(getForces=True).getForces(asNumpy=True)._value
        np.testing.assert_allclose(force, exact, atol=1e-6 * np.abs(exact).max())


def test_coinciding_atoms_have_finite_energies_and_forces(atoms, field):
    contacts = Nonbonded(field, 2.0)
    frame = atoms[:1].copy()
    frame[0, 100] = frame[0, 3]
    assert np.isfinite(contacts.within(np.arange(175), frame)).all()
    assert np.isfinite(contacts.forces(frame)).all()


def lengths(constraints, points):
    return np.concatenate(
        [
            np.linalg.norm(points[:, first] - points[:, second], axis=-1) - np.sqrt(square)
            for first, second, square in constraints.groups
        ],
        axis=1,
    )


def test_constraints_are_met_and_beads_stay(task, atoms, constraints):
    assert sum(len(group[0]) for group in constraints.groups) == sum(
        atom.element.symbol == "H" for atom in task.system.topology.atoms
    )
    moved = atoms[:10] + np.random.default_rng(3).normal(0, 0.006, atoms[:10].shape)
    beads = task.system.mapping.slice_atoms
    moved[:, beads] = atoms[:10, beads]
    held = constraints.apply(moved, atoms[:10])
    assert np.abs(lengths(constraints, held)).max() < 1e-5
    np.testing.assert_array_equal(held[:, beads], moved[:, beads])


def test_constraints_without_beads_move_no_centre(task, atoms):
    """Corrections of a bond's ends cancel."""
    free = Constraints.fit(task.system.topology, np.zeros(0, dtype=np.intp), atoms)
    moved = atoms[:10] + np.random.default_rng(3).normal(0, 0.006, atoms[:10].shape)
    np.testing.assert_allclose(free.apply(moved, atoms[:10]).mean(axis=1), moved.mean(axis=1), atol=1e-12)


def test_settling_holds_beads_and_bonds_and_turns_with_its_frame(task, atoms, field, constraints):
    beads = task.system.mapping.slice_atoms
    settle = Settling(field, constraints, 4.0, THERMAL)
    normal = np.random.default_rng(4).normal(size=(2, 5, 175, 3))
    still = settle(atoms[:2], np.stack([np.eye(3)] * 2), normal)
    np.testing.assert_array_equal(still[:, beads], atoms[:2, beads])
    assert np.abs(lengths(constraints, still)).max() < 1e-5
    turn = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    turned = settle(atoms[:2] @ turn, np.stack([turn] * 2), normal)
    np.testing.assert_allclose(turned, still @ turn, atol=1e-9)


def spring_energies(field, constraints, frames):
    """Of harmonic bonds that are not held, over kT."""
    force = next(force for force in field.getForces() if isinstance(force, openmm.HarmonicBondForce))
    held = {frozenset(pair) for first, second, _ in constraints.groups for pair in zip(first, second, strict=True)}
    energies = []
    for number in range(force.getNumBonds()):
        first, second, length, strength = force.getBondParameters(number)
        if frozenset((first, second)) not in held:
            found = np.linalg.norm(frames[:, first] - frames[:, second], axis=-1)
            energies.append(0.5 * strength._value * (found - length._value) ** 2 / THERMAL)
    return np.array(energies)


def test_settling_keeps_the_temperature_whatever_the_step(atoms, field, constraints, monkeypatch):
    """Equipartition: the spread of a harmonic bond's energy is that of kT / 2, at the step used and at half of it."""
    frames, found = atoms[::2], []
    for step, steps in ((settling.STEP_PS, 25), (settling.STEP_PS / 2, 50)):
        monkeypatch.setattr(settling, "STEP_PS", step)
        settle = Settling(field, constraints, 4.0, THERMAL)
        normal = np.random.default_rng(6).normal(size=(len(frames), steps, 175, 3))
        settled = settle(frames, np.stack([np.eye(3)] * len(frames)), normal)
        found.append(spring_energies(field, constraints, settled).mean())
    assert found[0] == pytest.approx(found[1], rel=0.05)
    assert 0.5 < found[0] < 0.65  # 0.5 and what neighbouring terms strain the bonds by


def test_springs_follow_their_training(task, atoms, field):
    """Frames that stretch twice as far under the system as in training: a spring as hard as allowed, rest unmoved."""

    def settle(system):
        return atoms.mean(axis=0) + 2 * (atoms - atoms.mean(axis=0))

    small = atoms.mean(axis=0) + 0.01 * (atoms - atoms.mean(axis=0))
    fitted = fitted_springs(field, small, settle)
    ratios = spring_strengths(fitted) / spring_strengths(field)
    assert ratios == pytest.approx(1.4)
    same = fitted_springs(field, atoms, lambda system: atoms)
    assert spring_strengths(same) == pytest.approx(spring_strengths(field))


def spring_strengths(system):
    force = next(force for force in system.getForces() if isinstance(force, openmm.HarmonicBondForce))
    return np.array([force.getBondParameters(number)[3]._value for number in range(force.getNumBonds())])
