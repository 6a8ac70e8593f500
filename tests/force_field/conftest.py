"""Molecules, their Systems, and OpenMM's Reference platform as the oracle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openmm
import pytest
import torch
from numpy.typing import NDArray
from openmm import app, unit

import backmapbench.datasets
from backmapbench.force_field import scoring_system

DIPEPTIDE = Path(backmapbench.datasets.__file__).parent / "recipes" / "ace-ala-nme.pdb"
# build_peptide("YYDPETGTWY") of backmapbench.datasets.simulation.peptide, amber99sbildn.xml in vacuum, minimised, then
# 1 ps of Langevin dynamics at 350 K from seed 1.
CHIGNOLIN = Path(__file__).parent / "ace-yydpetgtwy-nme.pdb"

AMBER = ("amber99sbildn.xml",)
CASES = {
    "dipeptide": ("dipeptide", AMBER),
    "dipeptide obc2": ("dipeptide", (*AMBER, "amber99_obc.xml")),
    "dipeptide gbn2": ("dipeptide", (*AMBER, "implicit/gbn2.xml")),
    "chignolin": ("chignolin", AMBER),
    "chignolin charmm36": ("chignolin", ("charmm36.xml",)),
    "villin": ("villin", AMBER),
    "villin obc2": ("villin", (*AMBER, "amber99_obc.xml")),
}


@dataclass(frozen=True)
class Case:
    """A System with frames (frames, atoms, 3) in nm that float32 holds exactly: as built, then ever more distorted."""

    system: openmm.System
    xyz: NDArray[np.float64]

    def tensor(self) -> torch.Tensor:
        return torch.from_numpy(self.xyz)


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def molecules(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Villin is the protein of the solvated box that OpenMM ships."""
    box = app.PDBFile(str(Path(app.__file__).parent / "data" / "test.pdb"))
    model = app.Modeller(box.topology, box.positions)
    model.delete([residue for residue in box.topology.residues() if residue.name in {"HOH", "Cl"}])
    path = tmp_path_factory.mktemp("molecules") / "villin.pdb"
    with path.open("w") as handle:
        app.PDBFile.writeFile(model.topology, model.positions, handle)
    return {"dipeptide": DIPEPTIDE, "chignolin": CHIGNOLIN, "villin": path}


@pytest.fixture(scope="session")
def make_case(molecules: dict[str, Path]) -> Callable[[str], Case]:
    """One of CASES, made once."""
    made: dict[str, Case] = {}

    def make(name: str) -> Case:
        if name not in made:
            molecule, files = CASES[name]
            rest = app.PDBFile(str(molecules[molecule])).getPositions(asNumpy=True).value_in_unit(unit.nanometer)
            rng = np.random.default_rng(0)
            xyz = np.stack([rest + rng.normal(scale=sd, size=rest.shape) for sd in (0.0, 0.002, 0.005, 0.02, 0.05)])
            made[name] = Case(scoring_system(str(molecules[molecule]), files), xyz.astype(np.float32).astype(float))
        return made[name]

    return make


@pytest.fixture(scope="session")
def oracle() -> Callable[..., tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Energies (frames,) kJ/mol and forces (frames, atoms, 3) kJ/(mol nm) by OpenMM's Reference platform."""

    def evaluate(system, xyz, groups=-1):
        platform = openmm.Platform.getPlatformByName("Reference")
        context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
        energies, forces = [], []
        for frame in np.asarray(xyz, dtype=float):
            context.setPositions(frame)
            state = context.getState(energy=True, forces=True, groups=groups)
            energies.append(state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole))
            force = state.getForces(asNumpy=True)
            forces.append(force.value_in_unit(unit.kilojoule_per_mole / unit.nanometer))
        return np.array(energies), np.array(forces)

    return evaluate
