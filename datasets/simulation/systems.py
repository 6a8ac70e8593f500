"""From a recipe to an OpenMM System: start structure, force field, solvent, copies, platform."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backmapbench.datasets.simulation.peptide import Structure, build_peptide, clean_protein
from backmapbench.datasets.simulation.recipe import RECIPES, Recipe
from backmapbench.errors import CardError

REFERENCE_ATOMS = 60
"""Up to here OpenMM's Reference platform is faster than its CPU platform (ADP: 29,000 against 5,700 steps/s)."""

LARGEST_BOX = 1.06
"""How much larger than the recipe's a box may be filled to reach its number of waters."""


@dataclass(frozen=True, eq=False)
class Built:
    """A System with what a run needs to know of it.

    Attributes:
        system: OpenMM System of one copy.
        topology: OpenMM topology of all particles.
        positions: float64 (particles, 3), nm.
        masses: float64 (solute atoms,), amu, of the elements: hydrogens may be simulated heavier.
        restraint: names of the torsion-restraint parameters, empty without.
    """

    system: Any
    topology: Any
    positions: NDArray[np.float64]
    masses: NDArray[np.float64]

    @property
    def solute(self) -> int:
        """Atoms before the first water: those that are stored."""
        return len(self.masses)


@functools.lru_cache(maxsize=2)
def built(path: Path, recipe_text: str) -> Built:
    """The System of the recipe written as JSON in ``recipe_text``, once per process; ``path`` is its TOML file."""
    import json

    return build(Recipe(path, json.loads(recipe_text)))


def structure(recipe: Recipe) -> Structure:
    """The recipe's start structure with all hydrogens, before any solvent. Raises CardError for an unknown kind."""
    import openmm.app
    from openmm import app, unit

    settings = recipe.settings
    table = settings.get("structure", {"kind": "file", "path": settings.get("start_structure")})
    if table["kind"] == "sequence":
        return build_peptide(table["sequence"], int(table.get("first_residue", 1)))
    if table["kind"] == "pdb":
        return clean_protein(Path(table["path"]))
    if table["kind"] == "openmm":  # a structure inside the openmm package
        pdb = app.PDBFile(str(Path(openmm.app.__path__[0]) / "data" / table["path"]))
        modeller = app.Modeller(pdb.topology, pdb.positions)
        kept = set(table["residues"])
        modeller.delete([residue for residue in pdb.topology.residues() if residue.name not in kept])
        return modeller.topology, np.asarray(modeller.positions.value_in_unit(unit.nanometer), dtype=np.float64)
    if table["kind"] == "file":
        pdb = app.PDBFile(str(RECIPES / table["path"]))
        return pdb.topology, np.asarray(pdb.positions.value_in_unit(unit.nanometer), dtype=np.float64)
    raise CardError(f"{recipe.path}: structure.kind = '{table['kind']}'; use sequence, pdb, openmm or file")


def build(recipe: Recipe) -> Built:
    """System, topology and start positions; with the switchable torsion restraint that restrained starts need."""
    from openmm import app, unit

    settings, force_field = recipe.settings, recipe.settings["force_field"]
    topology, positions = structure(recipe)
    masses = np.array([atom.element.mass.value_in_unit(unit.dalton) for atom in topology.atoms()])
    field = app.ForceField(*force_field["files"])
    if "solvent" in settings:
        topology, positions = _solvate(recipe, field, topology, positions)
    options: dict[str, Any] = {
        "nonbondedMethod": getattr(app, force_field["nonbonded"]),
        "constraints": getattr(app, force_field["constraints"]) if force_field["constraints"] != "None" else None,
    }
    if "cutoff_nm" in force_field:
        options["nonbondedCutoff"] = force_field["cutoff_nm"] * unit.nanometer
    if "hydrogen_mass_amu" in force_field:
        options["hydrogenMass"] = force_field["hydrogen_mass_amu"] * unit.amu
    system = field.createSystem(topology, **options)
    if settings["starts"].get("kind", "restrained") == "restrained":
        _add_restraint(system, topology, settings["starts"]["torsions"])
    return Built(system, topology, positions, masses)


def platform_for(recipe: Recipe, built_system: Built) -> Any:
    """The recipe's platform; for "auto" CUDA, then OpenCL, where they work, else Reference (small) or CPU."""
    import openmm

    name = recipe.settings["integrator"].get("platform", "auto")
    if name != "auto":
        return openmm.Platform.getPlatformByName(name)
    available = [openmm.Platform.getPlatform(i).getName() for i in range(openmm.Platform.getNumPlatforms())]
    for fast in ("CUDA", "HIP", "OpenCL"):
        if fast in available and _works(openmm.Platform.getPlatformByName(fast)):
            return openmm.Platform.getPlatformByName(fast)
    small = built_system.system.getNumParticles() <= REFERENCE_ATOMS
    return openmm.Platform.getPlatformByName("Reference" if small else "CPU")


def replicate(recipe: Recipe, one: Built, copies: int) -> tuple[Any, NDArray[np.float64]]:
    """A System of ``copies`` molecules on a grid that never meet, and their offsets (copies, 3) in nm.

    Every molecule is held near its grid point by a weak spring on its centre of mass, which leaves its internal motion
    alone; the cutoff is longer than a molecule and shorter than the gap, and a reaction field of dielectric 1 only
    shifts the energy, so forces are those of one molecule without cutoff. Raises CardError for a solvated recipe.
    """
    import openmm
    from openmm import app, unit

    if "solvent" in recipe.settings:
        raise CardError(
            f"{recipe.path}: copies in one System are for molecules without explicit solvent; set copies = 1"
        )
    table = recipe.settings["copies"]
    side = int(np.ceil(copies ** (1 / 3)))
    offsets = np.array(list(np.ndindex(side, side, side)), dtype=np.float64)[:copies] * table["spacing_nm"]
    modeller = app.Modeller(app.Topology(), [] * unit.nanometer)
    for offset in offsets:
        modeller.add(one.topology, (one.positions + offset) * unit.nanometer)
    force_field = recipe.settings["force_field"]
    options: dict[str, Any] = {}
    if "hydrogen_mass_amu" in force_field:
        options["hydrogenMass"] = force_field["hydrogen_mass_amu"] * unit.amu
    system = app.ForceField(*force_field["files"]).createSystem(
        modeller.topology,
        nonbondedMethod=app.CutoffNonPeriodic,
        nonbondedCutoff=table["cutoff_nm"] * unit.nanometer,
        constraints=getattr(app, force_field["constraints"]),
        removeCMMotion=False,
        **options,
    )
    for force in system.getForces():
        if isinstance(force, openmm.NonbondedForce):
            force.setReactionFieldDielectric(1.0)
    tether = openmm.CustomCentroidBondForce(1, "500*((x1-x0)^2+(y1-y0)^2+(z1-z0)^2)")
    for name in ("x0", "y0", "z0"):
        tether.addPerBondParameter(name)
    atoms = one.system.getNumParticles()
    centre = one.masses @ one.positions / one.masses.sum()
    for copy, offset in enumerate(offsets):
        group = tether.addGroup(list(range(copy * atoms, (copy + 1) * atoms)), list(one.masses))
        tether.addBond([group], list(centre + offset))
    system.addForce(tether)
    return system, offsets


def _works(platform: Any) -> bool:
    """Whether a Context can be made: a driver may be installed without a device."""
    import openmm

    system = openmm.System()
    system.addParticle(1.0)
    try:
        openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    except openmm.OpenMMException:
        return False
    return True


def _solvate(
    recipe: Recipe, field: Any, topology: Any, positions: NDArray[np.float64]
) -> tuple[Any, NDArray[np.float64]]:
    """The solute in a cubic box with the recipe's number of waters (without one: as many as fit).

    A published number may be more than fit by placing pre-equilibrated water: then a slightly larger box is filled and
    its waters are moved in; minimisation makes room.
    """
    from openmm import Vec3, app, unit

    table = recipe.settings["solvent"]
    for scale in np.arange(1.0, LARGEST_BOX, 0.005):
        modeller = app.Modeller(topology, positions * unit.nanometer)
        box = Vec3(1, 1, 1) * table["box_nm"] * float(scale) * unit.nanometer
        modeller.addSolvent(field, model=table["model"], boxSize=box, neutralize=True)
        waters = [residue for residue in modeller.topology.residues() if residue.name == "HOH"]
        surplus = len(waters) - int(table.get("waters", len(waters)))
        if surplus >= 0:
            break
    else:
        raise CardError(
            f"{recipe.path}: a box of {table['box_nm']} nm does not take {table['waters']} waters; "
            "correct solvent.box_nm or solvent.waters"
        )
    xyz = np.asarray(modeller.positions.value_in_unit(unit.nanometer), dtype=np.float64)
    centre = xyz[: len(positions)].mean(axis=0)
    oxygens = np.array([next(water.atoms()).index for water in waters])
    apart = xyz[oxygens] - centre
    apart -= table["box_nm"] * scale * np.rint(apart / (table["box_nm"] * scale))
    for oxygen, place in zip(oxygens, apart, strict=True):
        xyz[oxygen : oxygen + 3] += centre + place / scale - xyz[oxygen]
    modeller.positions = xyz * unit.nanometer
    modeller.delete([waters[i] for i in np.argsort(np.linalg.norm(apart, axis=1))[len(waters) - surplus :]])
    modeller.topology.setUnitCellDimensions(Vec3(1, 1, 1) * table["box_nm"] * unit.nanometer)
    return modeller.topology, np.asarray(modeller.positions.value_in_unit(unit.nanometer), dtype=np.float64)


def _add_restraint(system: Any, topology: Any, torsions: list[list[str]]) -> None:
    import openmm

    atoms = {f"{atom.residue.name}{atom.residue.id}:{atom.name}": atom.index for atom in topology.atoms()}
    force = openmm.CustomTorsionForce("restraint*(1-cos(theta-select(which, target1, target0)))")
    force.addGlobalParameter("restraint", 0.0)
    force.addGlobalParameter("target0", 0.0)
    force.addGlobalParameter("target1", 0.0)
    force.addPerTorsionParameter("which")
    for number, torsion in enumerate(torsions):
        force.addTorsion(*(atoms[name] for name in torsion), [float(number)])
    system.addForce(force)
