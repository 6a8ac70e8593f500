"""Energies of many frames by OpenMM and by torch: which of them scoring uses is decided by these times.

Scoring needs all terms of every frame. OpenMM gives the sum of a force group per call, so its terms take a call each,
and Lennard-Jones and Coulomb, one force to OpenMM, take a second force over all pairs.
"""

from pathlib import Path

import numpy as np
import openmm
import torch
from openmm import app, unit

import backmapbench.datasets
from backmapbench.datasets.simulation.peptide import build_peptide
from backmapbench.force_field import TorchForceField, energies_by_term, merge_caps

FRAMES = {"dipeptide": 2000, "chignolin": 100, "chignolin charmm36": 100, "villin": 40}
ENGINES = ["torch", "OpenMM Reference", "OpenMM CPU"]


def molecule(name):
    """Topology and positions (atoms, 3), nm: 22, 175 or 582 atoms."""
    if name.startswith("chignolin"):
        return build_peptide("YYDPETGTWY")
    if name == "dipeptide":
        found = app.PDBFile(str(Path(backmapbench.datasets.__file__).parent / "recipes" / "ace-ala-nme.pdb"))
    else:
        box = app.PDBFile(str(Path(app.__file__).parent / "data" / "test.pdb"))
        found = app.Modeller(box.topology, box.positions)
        found.delete([residue for residue in box.topology.residues() if residue.name in {"HOH", "Cl"}])
    return found.topology, np.array(found.positions.value_in_unit(unit.nanometer))


def system_of(topology, charmm):
    if charmm:
        topology = merge_caps(topology)
    field = app.ForceField("charmm36.xml" if charmm else "amber99sbildn.xml")
    return field.createSystem(topology, nonbondedMethod=app.NoCutoff, constraints=None, removeCMMotion=False)


def in_groups(system):
    """A copy with a group per force, and Coulomb once more on its own."""
    copy = openmm.XmlSerializer.clone(system)
    for force in list(copy.getForces()):
        if isinstance(force, openmm.NonbondedForce):
            coulomb = openmm.XmlSerializer.clone(force)
            for index in range(coulomb.getNumParticles()):
                charge, sigma, _ = coulomb.getParticleParameters(index)
                coulomb.setParticleParameters(index, charge, sigma, 0)
            copy.addForce(coulomb)
    for group, force in enumerate(copy.getForces()):
        force.setForceGroup(group)
    return copy


class Scoring:
    """All terms, or the total alone, of a batch of frames (``FRAMES``), in float64 where the engine has it."""

    version = "1"
    timeout = 600
    params = [list(FRAMES), ENGINES, [1, 2]]
    param_names = ["molecule", "engine", "threads"]

    def setup(self, name, engine, threads):
        if engine == "OpenMM Reference" and threads > 1:
            raise NotImplementedError  # asv's way to leave a combination out: it has one thread
        topology, rest = molecule(name)
        noise = np.random.default_rng(0).normal(scale=0.003, size=(FRAMES[name], *rest.shape))
        self.frames = rest + noise
        system = system_of(topology, "charmm36" in name)
        torch.set_num_threads(threads)
        if engine == "torch":
            self.field = TorchForceField.from_system(system)
            return
        grouped = in_groups(system)
        platform = openmm.Platform.getPlatformByName(engine.removeprefix("OpenMM "))
        properties = {"Threads": str(threads)} if engine == "OpenMM CPU" else {}
        self.context = openmm.Context(grouped, openmm.VerletIntegrator(0.001), platform, properties)
        self.groups = [1 << group for group in range(grouped.getNumForces())]

    def openmm(self, groups):
        for frame in self.frames:
            self.context.setPositions(frame)
            for group in groups:
                self.context.getState(energy=True, groups=group).getPotentialEnergy()

    def time_terms(self, name, engine, threads):
        if engine == "torch":
            energies_by_term(self.field, self.frames)
        else:
            self.openmm(self.groups)

    def time_total(self, name, engine, threads):
        if engine == "torch":
            energies_by_term(self.field, self.frames)
        else:
            self.openmm([sum(self.groups[:-1])])


class Training:
    """Energy and gradient of a batch of 32 frames, as an energy term in a loss takes them, in float32."""

    version = "1"
    params = [list(FRAMES), ["cpu", "cuda"]]
    param_names = ["molecule", "device"]

    def setup(self, name, device):
        if device == "cuda" and not torch.cuda.is_available():
            raise NotImplementedError
        topology, rest = molecule(name)
        self.field = TorchForceField.from_system(system_of(topology, "charmm36" in name)).to(device, torch.float32)
        self.frames = torch.as_tensor(rest, dtype=torch.float32, device=device).repeat(32, 1, 1).requires_grad_()

    def time_energy_and_gradient(self, name, device):
        self.field(self.frames).sum().backward()
        if device == "cuda":
            torch.cuda.synchronize()
