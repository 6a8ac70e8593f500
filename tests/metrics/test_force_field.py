from __future__ import annotations

import pickle

import numpy as np
import openmm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from openmm import app, unit
from scipy.spatial.transform import Rotation

from backmapbench.errors import CardError, DataError
from backmapbench.metrics.force_field import TERMS, PotentialEnergy, thermal_energy
from backmapbench.metrics.frames import Frames

FILES = ("amber99sbildn.xml",)


def openmm_energies(pdb: app.PDBFile, xyz: NDArray[np.floating]) -> list[float]:
    """The oracle: one Simulation on the Reference platform, energies read as OpenMM quantities."""
    system = app.ForceField(*FILES).createSystem(pdb.topology, nonbondedMethod=app.NoCutoff, constraints=None)
    platform = openmm.Platform.getPlatformByName("Reference")
    simulation = app.Simulation(pdb.topology, system, openmm.VerletIntegrator(1 * unit.femtosecond), platform)
    found = []
    for frame in xyz:
        simulation.context.setPositions([openmm.Vec3(*map(float, atom)) for atom in frame] * unit.nanometer)
        energy = simulation.context.getState(getEnergy=True).getPotentialEnergy()
        found.append(energy.value_in_unit(unit.kilojoule_per_mole))
    return found


def test_energies_are_those_of_openmm(topology_path: str, frames: Frames) -> None:
    xyz = frames.xyz[0, ::20]
    expected = openmm_energies(app.PDBFile(topology_path), xyz)
    np.testing.assert_allclose(PotentialEnergy(topology_path, FILES)(xyz), expected, rtol=0, atol=1e-4)


def test_terms_are_those_of_openmm(topology_path: str, frames: Frames) -> None:
    """Bonds and angles are force groups of OpenMM's own; torsions with impropers and all pairs are sums."""
    xyz = frames.xyz[0, ::40].astype(float)
    pdb = app.PDBFile(topology_path)
    system = app.ForceField(*FILES).createSystem(pdb.topology, nonbondedMethod=app.NoCutoff, constraints=None)
    groups = {}
    for group, force in enumerate(system.getForces()):
        force.setForceGroup(group)
        groups[force.getName()] = group
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))

    def of_group(name: str) -> list[float]:
        found = []
        for frame in xyz:
            context.setPositions(frame)
            energy = context.getState(getEnergy=True, groups={groups[name]}).getPotentialEnergy()
            found.append(energy.value_in_unit(unit.kilojoule_per_mole))
        return found

    potential = PotentialEnergy(topology_path, FILES)
    found = dict(zip(potential.names, potential.terms(xyz).T, strict=True))
    pairs = sum(found[name] for name in ("lennard_jones", "coulomb", "lennard_jones_14", "coulomb_14"))
    np.testing.assert_allclose(found["bonds"], of_group("HarmonicBondForce"), rtol=0, atol=1e-6)
    np.testing.assert_allclose(found["angles"], of_group("HarmonicAngleForce"), rtol=0, atol=1e-6)
    np.testing.assert_allclose(
        found["torsions"] + found["impropers"], of_group("PeriodicTorsionForce"), rtol=0, atol=1e-6
    )
    np.testing.assert_allclose(pairs, of_group("NonbondedForce"), rtol=0, atol=1e-6)
    np.testing.assert_allclose(potential.terms(xyz).sum(axis=1), potential(xyz))


def test_names_of_terms_are_those_of_the_force_field() -> None:
    import backmapbench.force_field

    assert tuple(backmapbench.force_field.TERMS) == TERMS


@settings(max_examples=10, deadline=None)
@given(angles=st.tuples(*[st.floats(-3, 3)] * 3), shift=st.tuples(*[st.floats(-5, 5)] * 3))
def test_rigid_motion_changes_no_energy(
    topology_path: str, rest: NDArray[np.float32], angles: tuple[float, ...], shift: tuple[float, ...]
) -> None:
    energy = PotentialEnergy(topology_path, FILES)
    moved = rest.astype(float) @ Rotation.from_euler("xyz", angles).as_matrix().T + shift
    assert energy(moved[None])[0] == pytest.approx(energy(rest[None].astype(float))[0], abs=1e-6)


def test_a_bad_frame_spoils_no_other(topology_path: str, rest: NDArray[np.float32]) -> None:
    energy = PotentialEnergy(topology_path, FILES)
    xyz = np.repeat(rest[None].astype(float), 6, axis=0)
    xyz[1, 3] = np.nan
    xyz[2, 3] = np.inf
    xyz[3] = 0.0
    xyz[4, 3] = 1e200
    found = energy(xyz)
    assert np.isposinf(found[[1, 2, 4]]).all()
    assert found[3] > 1e10  # coincident atoms: absurd, and finite
    assert found[0] == found[5] == pytest.approx(openmm_energies(app.PDBFile(topology_path), xyz[:1])[0], abs=1e-4)


def test_energies_are_computed_once_per_chunk(topology_path: str, frames: Frames) -> None:
    chunk = Frames(frames.xyz[:, :12], 2)
    energy = PotentialEnergy(topology_path, FILES)
    first = energy.of(chunk)
    assert first.shape == (10,)
    assert PotentialEnergy(topology_path, FILES).of(chunk) is first


def test_survives_pickling(topology_path: str, rest: NDArray[np.float32]) -> None:
    energy = PotentialEnergy(topology_path, FILES)
    before = energy(rest[None])
    assert pickle.loads(pickle.dumps(energy))(rest[None]) == before  # noqa: S301


def test_wrong_atoms_and_wrong_force_fields_are_named(topology_path: str, rest: NDArray[np.float32]) -> None:
    with pytest.raises(DataError, match="22, 3"):
        PotentialEnergy(topology_path, FILES)(rest[None, :21])
    with pytest.raises(CardError, match=r"tip3p\.xml"):
        PotentialEnergy(topology_path, ("tip3p.xml",))(rest[None])


def test_thermal_energy_at_room_temperature() -> None:
    assert thermal_energy(300.0) == pytest.approx(2.494339, abs=1e-6)  # 0.5961612 kcal/mol
