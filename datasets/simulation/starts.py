"""How a trajectory begins: restrained to a basin, set to torsions, or drawn from coil statistics; then staged MD."""

from __future__ import annotations

import copy
import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from backmapbench.datasets.simulation.peptide import beyond, labels, set_torsions, torsion_atoms, turn
from backmapbench.datasets.simulation.recipe import Recipe
from backmapbench.datasets.simulation.systems import Built
from backmapbench.errors import CardError, DataError

DRAWS = 20000
"""Residues drawn before giving up on a coil that does not run into itself."""
DRAWN = ("phi", "psi", "chi1", "chi2", "chi3", "chi4")
Turns = dict[str, tuple[tuple[int, int, int, int], list[int]]]
ATTEMPTS = 20
BACK = 4
"""Draws of one residue before growth goes back this many residues."""
REDRAWS = 5
"""Starts tried for one trajectory."""
STRETCH_NM = 0.04
"""Thermal stretching of a bond stays below 0.02 nm; one through a ring stays above 0.05."""


def prepare(context: Any, integrator: Any, recipe: Recipe, system: Built, index: int, seed: int) -> None:
    """Bring ``context`` to the state that trajectory ``index`` starts from: minimised, thermalised, free.

    A start in which a bond stays stretched (a side chain through a ring) is drawn again. Raises DataError when every
    draw ends so.
    """
    starts = recipe.settings["starts"]
    if starts.get("kind", "restrained") == "restrained":
        _restrained(context, integrator, recipe.settings, system.positions, index, seed)
        return
    import openmm

    for draw in range(REDRAWS):
        try:
            _staged(context, integrator, recipe, system, index, seed, draw)
        except openmm.OpenMMException:  # coordinates ran to NaN
            continue
        if longest_stretch(context, system) < STRETCH_NM:
            return
    raise DataError(f"{recipe.path}: trajectory {index} found no sound start; correct starts.classes")


def longest_stretch(context: Any, system: Built) -> float:
    """How much the worst harmonic bond of ``context`` is longer than its rest length, nm."""
    import openmm

    xyz = np.asarray(context.getState(getPositions=True).getPositions(asNumpy=True)._value)  # noqa: SLF001 - nm
    force = next(force for force in system.system.getForces() if isinstance(force, openmm.HarmonicBondForce))
    worst = 0.0
    for bond in range(force.getNumBonds()):
        first, second, length, _ = force.getBondParameters(bond)
        worst = max(worst, float(np.linalg.norm(xyz[first] - xyz[second])) - length._value)  # noqa: SLF001
    return worst


def start_positions(recipe: Recipe, system: Built, index: int, draw: int = 0) -> NDArray[np.float64]:
    """Positions before minimisation of trajectory ``index``: float64 (particles, 3), nm."""
    table = _class(recipe, index)
    if "torsions" in table:
        return set_torsions(system.topology, system.positions, _targets(recipe, system, table["torsions"]))
    if "coil" in table:
        rng = np.random.default_rng(np.random.SeedSequence([int(recipe.settings["seed"]), index, 1 + draw]))
        return _coil(recipe, system, table["coil"], rng)
    return system.positions


def _class(recipe: Recipe, index: int) -> dict[str, Any]:
    classes: list[dict[str, Any]] = recipe.settings["starts"]["classes"]
    return classes[index % len(classes)]


def _staged(context: Any, integrator: Any, recipe: Recipe, system: Built, index: int, seed: int, draw: int) -> None:
    """Minimise, then the stages of the start's class: each a temperature and a time, the first ones held if it says so.

    Held stages run in a Context of their own, so that the run itself pays for no restraint.
    """
    import openmm

    table = _class(recipe, index)
    minimise = int(recipe.settings["starts"]["minimise_iterations"])
    positions = start_positions(recipe, system, index, draw)
    velocities = None
    if "hold" in table:
        stepper = copy.deepcopy(integrator)
        held = openmm.Context(_held(recipe, system, table), stepper, context.getPlatform())
        held.setPositions(positions)
        openmm.LocalEnergyMinimizer.minimize(held, maxIterations=minimise)
        held.setVelocitiesToTemperature(table["hold"]["stages"][0]["temperature_K"], seed)
        _run_stages(stepper, recipe, table["hold"]["stages"])
        state = held.getState(getPositions=True, getVelocities=True)
        positions, velocities = state.getPositions(), state.getVelocities()
    context.setPositions(positions)
    if velocities is None:
        openmm.LocalEnergyMinimizer.minimize(context, maxIterations=minimise)
        context.setVelocitiesToTemperature(table["stages"][0]["temperature_K"], seed)
    else:
        context.setVelocities(velocities)
    _run_stages(integrator, recipe, table["stages"])
    integrator.setTemperature(recipe.temperature)


def _run_stages(integrator: Any, recipe: Recipe, stages: list[dict[str, float]]) -> None:
    for stage in stages:
        integrator.setTemperature(stage["temperature_K"])
        integrator.step(round(stage["ps"] / recipe.settings["integrator"]["step_ps"]))


def _held(recipe: Recipe, system: Built, table: dict[str, Any]) -> Any:
    """A copy of the System in which the class's torsions and contacts are held by springs."""
    import openmm

    hold = table["hold"]
    held = openmm.XmlSerializer.deserialize(openmm.XmlSerializer.serialize(system.system))
    torsions = openmm.CustomTorsionForce("k*(1-cos(theta-target))")
    torsions.addGlobalParameter("k", hold["torsion_kj_mol"])
    torsions.addPerTorsionParameter("target")
    for quad, target in _targets(recipe, system, table["torsions"]):
        torsions.addTorsion(*quad, [target])
    contacts = openmm.HarmonicBondForce()
    names = labels(system.topology)
    for first, second, nm in hold["contacts"]:
        contacts.addBond(names[first], names[second], nm, hold["contact_kj_mol_nm2"])
    held.addForce(torsions)
    held.addForce(contacts)
    return held


def _targets(
    recipe: Recipe, system: Built, torsions: dict[str, dict[str, float]]
) -> list[tuple[tuple[int, int, int, int], float]]:
    """Atoms and value in radians of each torsion: name -> residue number in the file -> degrees."""
    atoms = torsion_atoms(system.topology)
    places = {residue.id.strip(): place for place, residue in enumerate(system.topology.residues())}
    targets = []
    for name, values in torsions.items():
        for residue, degrees in values.items():
            if residue not in places or (name, places[residue]) not in atoms:
                raise CardError(f"{recipe.path}: residue {residue} has no torsion {name}; correct starts.classes")
            targets.append((atoms[name, places[residue]], float(np.deg2rad(degrees))))
    return targets


def _coil(recipe: Recipe, system: Built, table: dict[str, Any], rng: np.random.Generator) -> NDArray[np.float64]:
    """A self-avoiding random coil grown from the first residue: (phi, psi) from basins, chi from the three rotamers.

    ``table``: ``spread_degrees``, ``closest_nm`` (heavy atoms of residues two or more apart), ``basins`` by class of
    residue (general, proline, glycine, before_proline), each a list of {weight, phi, psi}. A residue that overlaps is
    drawn again; after some failures growth goes back a few residues. Raises DataError when that does not help either.
    """
    residues = list(system.topology.residues())
    turns = _turns(system)
    heavy = [[a.index for a in residue.atoms() if a.element.symbol != "H"] for residue in residues]
    grown = [system.positions]
    for _ in range(DRAWS):
        place = len(grown) - 1
        if place == len(residues):
            return grown[-1]
        following = residues[place + 1].name if place + 1 < len(residues) else ""
        basins = table["basins"][_kind(residues[place].name, following)]
        for _attempt in range(ATTEMPTS):
            xyz = _turned(grown[-1], turns[place], _drawn(basins, table["spread_degrees"], rng))
            # What this residue's torsions fix lies in it and in the next one's backbone nitrogen.
            before = [atom for atoms in heavy[: max(place - 1, 0)] for atom in atoms]
            if not before or cKDTree(xyz[before]).query(xyz[heavy[place]])[0].min() >= table["closest_nm"]:
                grown.append(xyz)
                break
        else:
            grown = grown[: max(1, len(grown) - BACK)]
    raise DataError(f"{recipe.path}: {DRAWS} draws did not grow a coil; lower starts.classes.coil.closest_nm")


@functools.lru_cache(maxsize=2)
def _turns(system: Built) -> list[Turns]:
    """Torsions of each residue that may be drawn, in order: their atoms, and the atoms beyond the turning bond."""
    atoms = torsion_atoms(system.topology)
    found: list[Turns] = []
    for place in range(system.topology.getNumResidues()):
        names = [name for name in DRAWN if (name, place) in atoms]
        quads = [atoms[name, place] for name in names]
        found.append({n: (quad, beyond(system.topology, *quad[1:3])) for n, quad in zip(names, quads, strict=True)})
    return found


def _drawn(basins: list[dict[str, float]], spread: float, rng: np.random.Generator) -> dict[str, float]:
    """One value in degrees for every torsion a residue may have."""
    weights = np.array([basin["weight"] for basin in basins])
    basin = basins[rng.choice(len(basins), p=weights / weights.sum())]
    centres = {"phi": basin["phi"], "psi": basin["psi"]}
    centres |= {f"chi{number}": rng.choice([-60.0, 60.0, 180.0]) for number in range(1, 5)}
    return {name: value + rng.normal(scale=spread) for name, value in centres.items()}


def _turned(xyz: NDArray[np.float64], turns: Turns, degrees: dict[str, float]) -> NDArray[np.float64]:
    for name, (quad, moved) in turns.items():
        xyz = turn(xyz, quad, float(np.deg2rad(degrees[name])), moved)
    return xyz


def _kind(name: str, following: str) -> str:
    if name in ("PRO", "GLY"):
        return {"PRO": "proline", "GLY": "glycine"}[name]
    return "before_proline" if following == "PRO" else "general"


def _restrained(
    context: Any, integrator: Any, settings: dict[str, Any], positions: NDArray[np.float64], index: int, seed: int
) -> None:
    """Minimise and equilibrate with the start basin's torsions restrained, then free."""
    import openmm

    starts = settings["starts"]
    basin = starts["basins"][index % len(starts["basins"])]
    step_ps = settings["integrator"]["step_ps"]
    context.setPositions(positions)
    context.setParameter("restraint", starts["restraint_kj_mol"])
    for number, degrees in enumerate(basin["degrees"]):
        context.setParameter(f"target{number}", float(np.deg2rad(degrees)))
    openmm.LocalEnergyMinimizer.minimize(context)
    context.setVelocitiesToTemperature(settings["integrator"]["temperature_K"], seed)
    integrator.step(round(starts["restrained_ps"] / step_ps))
    context.setParameter("restraint", 0.0)
    integrator.step(round(starts["free_ps"] / step_ps))
