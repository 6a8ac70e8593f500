"""Molecular dynamics from a recipe: many independent trajectories, resumable after a kill, byte-identical either way.

A run folder holds ``traj-NNN/part-KKKK.npy`` (float32 positions, nm, each frame's centre of mass at the origin) and
``traj-NNN/state.npz`` (OpenMM checkpoint and the number of finished parts). A part counts only once the state after it
is written, so a kill at any moment costs at most one part and never leaves a gap or a repeated frame.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import time
import tomllib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from backmapbench.errors import CardError, DataError, UnknownNameError
from backmapbench.files import atomic_write

RECIPES = Path(str(files("backmapbench.datasets") / "recipes"))


@dataclass(frozen=True)
class Recipe:
    """One simulation recipe as read from its TOML file."""

    path: Path
    settings: dict[str, Any]

    @property
    def name(self) -> str:
        """Name of the recipe and of the dataset it makes."""
        return str(self.settings["name"])

    @property
    def trajectories(self) -> int:
        """Number of trajectories."""
        return int(self.settings["trajectories"])

    @property
    def frames(self) -> int:
        """Frames of each trajectory."""
        return int(self.settings["frames"])

    @property
    def parts(self) -> int:
        """Pieces, with a checkpoint after each, that a trajectory is written in."""
        return self.frames // int(self.settings["checkpoint_frames"])


def recipe_names() -> list[str]:
    """Names of the recipes in the package."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def load_recipe(name: str, overrides: dict[str, Any] | None = None) -> Recipe:
    """Read ``recipes/NAME.toml``; ``overrides`` replaces top-level settings (a shorter run for a test).

    Raises UnknownNameError for a name without a recipe, CardError for settings that do not fit together.
    """
    if name not in recipe_names():
        raise UnknownNameError("recipe", name, recipe_names())
    path = RECIPES / f"{name}.toml"
    settings = tomllib.loads(path.read_text(encoding="utf-8")) | (overrides or {})
    recipe = Recipe(path, settings)
    if recipe.frames % int(settings["checkpoint_frames"]):
        raise CardError(
            f"{path}: frames = {recipe.frames} is not a multiple of checkpoint_frames = "
            f"{settings['checkpoint_frames']}; change one of them"
        )
    steps = settings["frame_ps"] / settings["integrator"]["step_ps"]
    if abs(steps - round(steps)) > 1e-9:
        raise CardError(f"{path}: frame_ps is not a whole number of integrator.step_ps; change one of them")
    return recipe


def simulate(
    recipe: Recipe, folder: Path, workers: int = 1, progress: Callable[[int, int], None] | None = None
) -> dict[str, Any]:
    """Run every trajectory of ``recipe`` into ``folder`` and return the provenance written to ``simulation.json``.

    ``progress(done, total)`` is called with finished parts. A folder left by an interrupted run is continued;
    one made by other settings raises DataError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _claim(recipe, folder)
    total = recipe.trajectories * recipe.parts
    tasks = range(recipe.trajectories)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        pending = {pool.submit(_run_trajectory, recipe, folder, index) for index in tasks}
        while pending:
            done = {future for future in pending if future.done()}
            for future in as_completed(done):
                future.result()
            pending -= done
            if progress is not None:
                progress(sum(1 for _ in folder.glob("traj-*/part-*.npy")), total)
            time.sleep(0.2)
    return _write_provenance(recipe, folder)


def load_trajectory(folder: Path, index: int) -> np.ndarray:
    """Finished trajectory ``index`` of a run folder: float32 (frames, atoms, 3), nm."""
    parts = sorted((folder / f"traj-{index:03d}").glob("part-*.npy"))
    if not parts:
        raise DataError(f"{folder}: no frames of trajectory {index}; run the simulation first")
    return np.concatenate([np.load(part) for part in parts])


def simulation_provenance(folder: Path) -> dict[str, Any]:
    """What a finished run wrote of itself. Raises DataError for a run that has not finished."""
    path = folder / "simulation.json"
    if not path.is_file():
        raise DataError(f"{path}: missing, so the run has not finished; run the same command again to continue it")
    provenance: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return provenance


def _claim(recipe: Recipe, folder: Path) -> None:
    """Mark the folder with the recipe's settings, or refuse one that another recipe started."""
    mark = folder / "recipe.json"
    text = json.dumps(_simulated(recipe), indent=1, sort_keys=True)
    if mark.exists() and mark.read_text(encoding="utf-8") != text:
        raise DataError(f"{folder}: was started with other settings than {recipe.path}; choose an empty folder")
    with atomic_write(mark, "w") as handle:
        handle.write(text)


def _simulated(recipe: Recipe) -> dict[str, Any]:
    """The settings that the frames depend on: all but how they are cut and packed."""
    return {key: value for key, value in recipe.settings.items() if key != "embedded"}


def _write_provenance(recipe: Recipe, folder: Path) -> dict[str, Any]:
    seconds = 0.0
    for state in folder.glob("traj-*/state.npz"):
        with np.load(state) as saved:
            seconds += float(saved["seconds"])
    provenance = {
        "recipe": _simulated(recipe),
        "core_seconds": round(seconds, 1),
        "simulated_ns": recipe.trajectories * recipe.frames * recipe.settings["frame_ps"] / 1000,
        "platform": recipe.settings["integrator"]["platform"],
        "versions": {name: version(name) for name in ("openmm", "numpy")},
    }
    with atomic_write(folder / "simulation.json", "w") as handle:
        json.dump(provenance, handle, indent=1)
    return provenance


def _run_trajectory(recipe: Recipe, folder: Path, index: int) -> None:
    """Start or continue one trajectory; runs in a process of its own because OpenMM's generator is per process."""
    os.environ["OPENMM_CPU_THREADS"] = "1"
    import openmm
    from openmm import unit

    settings = recipe.settings
    home = folder / f"traj-{index:03d}"
    home.mkdir(exist_ok=True)
    system, masses, positions = _build(recipe)
    integrator = openmm.LangevinMiddleIntegrator(
        settings["integrator"]["temperature_K"] * unit.kelvin,
        settings["integrator"]["friction_per_ps"] / unit.picosecond,
        settings["integrator"]["step_ps"] * unit.picosecond,
    )
    seed = int(np.random.SeedSequence([settings["seed"], index]).generate_state(1)[0] % (2**31 - 2)) + 1
    integrator.setRandomNumberSeed(seed)
    platform = openmm.Platform.getPlatformByName(settings["integrator"]["platform"])
    context = openmm.Context(system, integrator, platform)

    state_path = home / "state.npz"
    if state_path.exists():
        with np.load(state_path) as saved:
            first, seconds = int(saved["parts"]), float(saved["seconds"])
            context.loadCheckpoint(saved["checkpoint"].tobytes())
    else:
        first, seconds = 0, 0.0
        _prepare(context, integrator, settings, positions, index, seed)
    for leftover in home.glob("part-*.npy"):
        if int(leftover.stem[5:]) >= first:
            leftover.unlink()

    steps = round(settings["frame_ps"] / settings["integrator"]["step_ps"])
    per_part = int(settings["checkpoint_frames"])
    for part in range(first, recipe.parts):
        began = time.process_time()
        frames = np.empty((per_part, len(masses), 3), dtype=np.float32)
        for row in range(per_part):
            integrator.step(steps)
            xyz = context.getState(getPositions=True).getPositions(asNumpy=True).value_in_unit(unit.nanometer)
            frames[row] = xyz - masses @ xyz / masses.sum()
        seconds += time.process_time() - began
        with atomic_write(home / f"part-{part:04d}.npy") as handle:
            np.save(handle, frames)
        checkpoint = np.frombuffer(context.createCheckpoint(), dtype=np.uint8)
        with atomic_write(state_path) as handle:
            np.savez(handle, checkpoint=checkpoint, parts=part + 1, seconds=seconds)


def _build(recipe: Recipe) -> tuple[Any, np.ndarray, np.ndarray]:
    """OpenMM System with a switchable torsion restraint, masses (atoms,) in amu, start positions (atoms, 3) in nm."""
    import openmm
    from openmm import app, unit

    settings = recipe.settings
    pdb = app.PDBFile(str(RECIPES / settings["start_structure"]))
    field = app.ForceField(*settings["force_field"]["files"])
    system = field.createSystem(
        pdb.topology,
        nonbondedMethod=getattr(app, settings["force_field"]["nonbonded"]),
        constraints=getattr(app, settings["force_field"]["constraints"]),
    )
    atoms = {f"{atom.residue.name}{atom.residue.id}:{atom.name}": atom.index for atom in pdb.topology.atoms()}
    force = openmm.CustomTorsionForce("restraint*(1-cos(theta-select(which, target1, target0)))")
    force.addGlobalParameter("restraint", 0.0)
    force.addGlobalParameter("target0", 0.0)
    force.addGlobalParameter("target1", 0.0)
    force.addPerTorsionParameter("which")
    for number, torsion in enumerate(settings["starts"]["torsions"]):
        force.addTorsion(*(atoms[name] for name in torsion), [float(number)])
    system.addForce(force)
    masses = np.array([system.getParticleMass(i).value_in_unit(unit.dalton) for i in range(system.getNumParticles())])
    return system, masses, np.asarray(pdb.positions.value_in_unit(unit.nanometer))


def _prepare(
    context: Any, integrator: Any, settings: dict[str, Any], positions: np.ndarray, index: int, seed: int
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
