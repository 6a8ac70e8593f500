"""Held beads stay, hidden atoms get their Boltzmann distribution, and rotors turn exactly."""

import numpy as np
import openmm
import pytest
from openmm import app

from backmapbench.datasets.measures import KB
from backmapbench.datasets.simulation import load_recipe
from backmapbench.datasets.simulation.drawing import Drawing, draw
from backmapbench.datasets.simulation.holding import RESTRAINT_PER_PS, hold
from backmapbench.datasets.simulation.recipe import Recipe
from backmapbench.datasets.simulation.systems import Built, build
from backmapbench.errors import CardError, DataError

KELVIN = 300.0
STEP_PS = 0.002
CHAIN = np.array([[0.0, 0.1, 0.0], [0.0, 0.0, 0.0], [0.15, 0.0, 0.0], [0.15, 0.0, 0.1]])


@pytest.fixture(scope="module")
def platform():
    return openmm.Platform.getPlatformByName("Reference")


def chain_of_four(barrier, tilt):
    """Atoms 0-1-2-3 whose torsion has basins at -90 and 90 degrees: U = barrier/2 (1 + cos 2t) + tilt (1 + sin t)."""
    system, topology = openmm.System(), app.Topology()
    residue = topology.addResidue("CHN", topology.addChain())
    atoms = [topology.addAtom(f"C{i}", app.Element.getBySymbol("C"), residue) for i in range(4)]
    for _ in atoms:
        system.addParticle(12.0)
    bonds, angles, torsions = openmm.HarmonicBondForce(), openmm.HarmonicAngleForce(), openmm.PeriodicTorsionForce()
    for i in range(3):
        topology.addBond(atoms[i], atoms[i + 1])
        bonds.addBond(i, i + 1, float(np.linalg.norm(CHAIN[i + 1] - CHAIN[i])), 1e5)
    for i in range(2):
        angles.addAngle(i, i + 1, i + 2, np.pi / 2, 500.0)
    torsions.addTorsion(0, 1, 2, 3, 2, 0.0, barrier / 2)
    torsions.addTorsion(0, 1, 2, 3, 1, np.pi / 2, tilt)
    for force in (bonds, angles, torsions):
        system.addForce(force)
    return Built(system, topology, CHAIN.copy(), np.full(4, 12.0))


def torsion(xyz):
    """Signed angle of atom 3 about the bond 1-2 (along x), from atom 0; radians."""
    first, last = xyz[0] - xyz[1], xyz[3] - xyz[2]
    return np.arctan2(first[1] * last[2] - first[2] * last[1], first[1] * last[1] + first[2] * last[2])


def draws(held, platform, start, beads, drawing, temperature=KELVIN):
    found = [start]
    errors = []
    for sample in range(drawing.samples):
        drawn = draw(held, platform, found[-1], beads, temperature, STEP_PS, drawing, sample + 1)
        found.append(drawn.positions)
        errors.append(drawn.bead_error)
    return np.array(found[1:]), np.array(errors)


RECIPE = Recipe(load_recipe("adp-mini").path, {"force_field": {}})


def test_a_two_basin_torsion_gets_its_known_populations_and_frozen_beads_do_not_move(platform):
    barrier, tilt = 3.0, 1.0
    weights = np.eye(4)[:3]
    held = hold(RECIPE, chain_of_four(barrier, tilt), weights)
    samples, errors = draws(held, platform, CHAIN, CHAIN[:3], Drawing(1500, 0.6))
    angles = np.array([torsion(xyz) for xyz in samples])
    grid = np.linspace(-np.pi, np.pi, 20001)
    density = np.exp(-(barrier / 2 * (1 + np.cos(2 * grid)) + tilt * (1 + np.sin(grid))) / (KB * KELVIN))
    expected = density[grid > 0].sum() / density.sum()
    # 1500 samples of neighbouring correlation below a half: a standard error of at most 0.02.
    signs = (angles > 0).astype(float)
    assert np.corrcoef(signs[1:], signs[:-1])[0, 1] < 0.5
    assert 0.2 < expected < 0.4
    assert signs.mean() == pytest.approx(expected, abs=0.06)
    np.testing.assert_allclose(samples[:, :3], np.broadcast_to(CHAIN[:3], (1500, 3, 3)), atol=1e-12)
    assert errors.max() < 1e-5


def test_a_warm_stage_crosses_what_the_frames_temperature_does_not(platform):
    one, weights = chain_of_four(40.0, 0.0), np.eye(4)[:3]
    held = hold(RECIPE, one, weights)
    cold, _ = draws(held, platform, CHAIN, CHAIN[:3], Drawing(20, 0.5))
    assert all(torsion(xyz) > 0 for xyz in cold)
    warm, _ = draws(held, platform, CHAIN, CHAIN[:3], Drawing(40, 0.5, warm_K=6000.0, warm_ps=1.0))
    share = np.mean([torsion(xyz) > 0 for xyz in warm])
    assert 0.2 < share < 0.8
    # What was warm has cooled: torsions lie in the basins as the cold ones do.
    spread = [np.std([abs(torsion(xyz)) for xyz in found]) for found in (cold, warm)]
    assert spread[1] < 2 * spread[0]


def test_held_centroids_scatter_as_their_springs_say_and_are_put_right(platform):
    weights = np.array([[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]])
    held = hold(RECIPE, chain_of_four(3.0, 0.0), weights)
    beads = weights @ CHAIN
    samples, errors = draws(held, platform, CHAIN, beads, Drawing(300, 0.2))
    np.testing.assert_allclose(weights @ samples, np.broadcast_to(beads, (300, 2, 3)), atol=1e-12)
    thermal = np.sqrt(3 * KB * KELVIN / (24.0 * RESTRAINT_PER_PS**2))  # rms distance of one bead of 24 amu
    assert thermal < errors.mean() < 2 * thermal  # the worse of two
    assert np.std([torsion(xyz) for xyz in samples]) > 0.3  # the atoms themselves move
    bonds = np.linalg.norm(np.diff(samples, axis=1), axis=-1)
    np.testing.assert_allclose(bonds, np.broadcast_to([0.1, 0.15, 0.1], bonds.shape), atol=0.03)


@pytest.fixture(scope="module")
def peptide():
    recipe = load_recipe("adp-mini")
    return recipe, build(recipe)


def energy(one, platform, xyz):
    context = openmm.Context(one.system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(xyz)
    return context.getState(getEnergy=True).getPotentialEnergy()._value


def test_turning_rotors_changes_neither_energy_nor_beads_nor_handedness(peptide, platform):
    recipe, one = peptide
    weights = np.full((1, one.solute), 1 / one.solute)
    held = hold(recipe, one, weights)
    assert len(held.rotors) == 3
    rng = np.random.default_rng(0)
    start = one.positions + rng.normal(scale=0.003, size=one.positions.shape)
    reference = energy(one, platform, start)
    turns = set()
    for _ in range(30):
        turned = held.turn_rotors(start, rng)
        turns.add(tuple(np.argmax((turned[held.rotors] == start[held.rotors[:, :1]]).all(axis=2), axis=1).tolist()))
        assert energy(one, platform, turned) == pytest.approx(reference, rel=1e-9)
        np.testing.assert_allclose(weights @ turned, weights @ start, atol=1e-12)
        for rotor in held.rotors:
            volumes = [np.linalg.det(xyz[rotor] - xyz.mean(axis=0)) for xyz in (start, turned)]
            assert volumes[0] == pytest.approx(volumes[1])
    assert len(turns) > 15  # of 27


def test_a_rotor_with_a_bead_among_its_hydrogens_is_left_alone(peptide):
    recipe, one = peptide
    free = hold(recipe, one, np.eye(one.solute)[[4]]).rotors
    held = hold(recipe, one, np.eye(one.solute)[[int(free[0][1])]])
    np.testing.assert_array_equal(held.rotors, free[1:])


def test_frozen_atoms_keep_their_constraints(peptide, platform):
    """Bonds to hydrogen of a frozen atom are as long as those of the recipe."""
    recipe, one = peptide
    carbon = [atom.index for atom in one.topology.atoms() if atom.name in {"CH3", "CA", "CB"}]
    weights = np.eye(one.solute)[carbon]
    held = hold(recipe, one, weights)
    start = one.positions
    drawn = draw(held, platform, start, start[carbon], KELVIN, STEP_PS, Drawing(1, 0.2), 1)
    for index in range(held.system.getNumConstraints()):
        first, second, length = held.system.getConstraintParameters(index)
        found = np.linalg.norm(drawn.positions[first] - drawn.positions[second])
        assert found == pytest.approx(length._value, abs=1e-5)
    assert held.system.getNumConstraints() == one.system.getNumConstraints() > 0


def test_the_same_seed_draws_the_same_sample(peptide, platform):
    recipe, one = peptide
    held = hold(recipe, one, np.eye(one.solute)[:4])
    found = [
        draw(held, platform, one.positions, one.positions[:4], KELVIN, STEP_PS, Drawing(1, 0.05), seed).positions
        for seed in (5, 5, 6)
    ]
    np.testing.assert_array_equal(found[0], found[1])
    assert np.abs(found[0] - found[2]).max() > 1e-3


def test_wrong_input_is_refused(peptide, platform):
    recipe, one = peptide
    with pytest.raises(CardError, match="explicit solvent"):
        hold(Recipe(recipe.path, recipe.settings | {"solvent": {}}), one, np.eye(one.solute)[:1])
    with pytest.raises(CardError, match="depend on each other"):
        hold(recipe, one, np.eye(one.solute)[[0, 0]])
    with pytest.raises(CardError, match="above 0"):
        Drawing(0, 1.0)
    with pytest.raises(CardError, match="above 0"):
        Drawing(8, 0.0)
    with pytest.raises(CardError, match="needs both"):
        Drawing(8, 1.0, warm_K=600.0)
    held = hold(recipe, one, np.eye(one.solute)[:1])
    start, beads = one.positions, one.positions[:1]
    with pytest.raises(DataError, match=r"warm_K = 200.0 is below the frames' 300.0 K"):
        draw(held, platform, start, beads, KELVIN, STEP_PS, Drawing(1, 1.0, 200.0, 1.0), 1)
    with pytest.raises(DataError, match="run away"):
        draw(held, platform, start, beads, KELVIN, 0.1, Drawing(1, 20.0), 1)
