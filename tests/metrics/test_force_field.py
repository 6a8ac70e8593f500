from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import openmm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from openmm import app, unit
from scipy.spatial.transform import Rotation

from backmapbench.errors import CardError, DataError
from backmapbench.metrics.force_field import REFERENCE_MAXIMUM_ATOMS, PotentialEnergy, thermal_energy
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


def test_larger_molecules_go_to_the_cpu_platform_and_agree(topology_path: str, tmp_path: Path) -> None:
    pdb = app.PDBFile(topology_path)
    model = app.Modeller(pdb.topology, pdb.positions)
    for copy in range(1, 8):
        model.add(pdb.topology, [p + openmm.Vec3(0, 0, 1.2 * copy) * unit.nanometer for p in pdb.positions])
    path = tmp_path / "eight.pdb"
    with path.open("w") as handle:
        app.PDBFile.writeFile(model.topology, model.positions, handle)
    large = app.PDBFile(str(path))
    xyz = np.array([large.positions.value_in_unit(unit.nanometer)])
    assert xyz.shape[1] > REFERENCE_MAXIMUM_ATOMS
    energies = PotentialEnergy(str(path), FILES)(xyz)
    np.testing.assert_allclose(energies, openmm_energies(large, xyz), rtol=1e-5)
    assert np.isnan(PotentialEnergy(str(path), FILES)(np.zeros_like(xyz))).all()  # this platform raises; caught


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
    assert np.isnan(found[[1, 2, 3]]).all()
    assert not np.isfinite(found[4])
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
