"""Many independent trajectories, resumable after a kill.

A run folder holds ``start.pdb`` (the solute), ``traj-NNNN/part-KKKK.npy`` (float32 positions of the solute, nm, each
frame's centre of mass at the origin) and ``traj-NNNN/state.npz`` (OpenMM checkpoint and the number of finished parts)
in the first trajectory of each batch that shares a System. A part counts only once the state after it is written, so a
kill at any moment costs at most one part and never leaves a gap or a repeated frame. On the Reference platform, and on
one thread of the CPU platform as far as its arithmetic is reproducible, a continued run equals an unbroken one.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from backmapbench.datasets.simulation.recipe import Recipe
from backmapbench.datasets.simulation.starts import prepare
from backmapbench.datasets.simulation.systems import Built, built, platform_for, replicate, structure
from backmapbench.errors import DataError
from backmapbench.files import atomic_write

START = "start.pdb"


def simulate(
    recipe: Recipe, folder: Path, workers: int = 1, progress: Callable[[int, int], None] | None = None
) -> dict[str, Any]:
    """Run every trajectory of ``recipe`` into ``folder`` and return the provenance written to ``simulation.json``.

    ``progress(done, total)`` is called with finished parts. A folder left by an interrupted run is continued;
    one made by other settings raises DataError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _claim(recipe, folder)
    total = sum(recipe.parts(index) for index in range(recipe.trajectories))
    copies = int(recipe.settings.get("copies", {}).get("count", 1))
    numbers = range(recipe.trajectories)
    batches = [list(numbers[first : first + copies]) for first in range(0, recipe.trajectories, copies)]
    context = multiprocessing.get_context("spawn")
    text = json.dumps(recipe.simulated)
    platforms: set[str] = set()
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        pending = {pool.submit(_run_batch, recipe.path, text, folder, batch, os.getpid()) for batch in batches}
        while pending:
            done = {future for future in pending if future.done()}
            for future in as_completed(done):
                platforms.add(future.result())
            pending -= done
            if progress is not None:
                progress(sum(1 for _ in folder.glob("traj-*/part-*.npy")), total)
            time.sleep(0.2)
    return _write_provenance(recipe, folder, sorted(platforms))


def load_trajectory(folder: Path, index: int) -> NDArray[np.float32]:
    """Finished trajectory ``index`` of a run folder: float32 (frames, atoms, 3), nm."""
    parts = sorted(_home(folder, index).glob("part-*.npy"))
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


def start_structure(folder: Path) -> Path:
    """PDB file of the solute of a run. Raises DataError where no run has begun."""
    path = folder / START
    if not path.is_file():
        raise DataError(f"{path}: missing; this is no run folder: give that of `backmapbench datasets simulate`")
    return path


def _home(folder: Path, index: int) -> Path:
    """Folder of one trajectory; three digits in folders of before, which are read as they are."""
    short = folder / f"traj-{index:03d}"
    return short if index < 1000 and short.exists() else folder / f"traj-{index:04d}"


def _claim(recipe: Recipe, folder: Path) -> None:
    """Mark the folder with the recipe's settings, or refuse one that another recipe started."""
    from openmm import app

    mark = folder / "recipe.json"
    text = json.dumps(recipe.simulated, indent=1, sort_keys=True)
    if mark.exists() and mark.read_text(encoding="utf-8") != text:
        raise DataError(f"{folder}: was started with other settings than {recipe.path}; choose an empty folder")
    topology, positions = structure(recipe)
    if not (folder / START).exists():
        with atomic_write(folder / START, "w") as handle:
            app.PDBFile.writeFile(topology, positions * 10, handle, keepIds=True)
    with atomic_write(mark, "w") as handle:
        handle.write(text)


def _write_provenance(recipe: Recipe, folder: Path, platforms: Sequence[str]) -> dict[str, Any]:
    seconds = 0.0
    for state in folder.glob("traj-*/state.npz"):
        with np.load(state) as saved:
            seconds += float(saved["seconds"])
    provenance = {
        "recipe": recipe.simulated,
        "core_seconds": round(seconds, 1),
        "simulated_ns": recipe.total_frames * recipe.settings["frame_ps"] / 1000,
        "platform": ", ".join(platforms),
        "versions": {name: version(name) for name in ("openmm", "pdbfixer", "numpy")},
    }
    with atomic_write(folder / "simulation.json", "w") as handle:
        json.dump(provenance, handle, indent=1)
    return provenance


def _run_batch(path: Path, text: str, folder: Path, batch: Sequence[int], parent: int) -> str:
    """Start or continue the trajectories of one System in a process of their own; returns the platform's name."""
    os.environ["OPENMM_CPU_THREADS"] = "1"
    recipe = Recipe(path, json.loads(text))
    for index in batch:
        _home(folder, index).mkdir(exist_ok=True)
    # A run killed from outside leaves its workers behind for one more part; the next run's wait for them here.
    with FileLock(_home(folder, batch[0]) / ".lock"):
        return _locked_batch(recipe, built(path, text), folder, batch, parent)


def _locked_batch(recipe: Recipe, one: Built, folder: Path, batch: Sequence[int], parent: int) -> str:
    home = _home(folder, batch[0])
    context, integrator, offsets = _context(recipe, one, batch)
    name = str(context.getPlatform().getName())
    state_path = home / "state.npz"
    if state_path.exists():
        with np.load(state_path) as saved:
            first, seconds = int(saved["parts"]), float(saved["seconds"])
            if first == recipe.parts(batch[0]):
                return name
            context.loadCheckpoint(saved["checkpoint"].tobytes())
    else:
        first, seconds = 0, 0.0
        began = time.process_time()
        _begin(context, integrator, recipe, one, batch, offsets)
        seconds += time.process_time() - began
    for index in batch:
        for leftover in _home(folder, index).glob("part-*.npy"):
            if int(leftover.stem[5:]) >= first:
                leftover.unlink()
    for part in range(first, recipe.parts(batch[0])):
        if os.getppid() != parent:
            raise SystemExit(f"{folder}: the run that started this worker is gone")
        began = time.process_time()
        frames = _advance(context, integrator, recipe, one, len(batch))
        seconds += time.process_time() - began
        for index, positions in zip(batch, frames, strict=True):
            with atomic_write(_home(folder, index) / f"part-{part:04d}.npy") as handle:
                np.save(handle, positions)
        checkpoint = np.frombuffer(context.createCheckpoint(), dtype=np.uint8)
        with atomic_write(state_path) as handle:
            np.savez(handle, checkpoint=checkpoint, parts=part + 1, seconds=seconds)
    return name


def _context(recipe: Recipe, one: Built, batch: Sequence[int]) -> tuple[Any, Any, NDArray[np.float64]]:
    import openmm

    platform = platform_for(recipe, one)
    if len(batch) == 1:
        system, offsets = one.system, np.zeros((1, 3))
    else:
        system, offsets = replicate(recipe, one, len(batch))
    integrator = _integrator(recipe, batch[0])
    return openmm.Context(system, integrator, platform), integrator, offsets


def _integrator(recipe: Recipe, index: int) -> Any:
    import openmm
    from openmm import unit

    settings = recipe.settings["integrator"]
    integrator = openmm.LangevinMiddleIntegrator(
        settings["temperature_K"] * unit.kelvin,
        settings["friction_per_ps"] / unit.picosecond,
        settings["step_ps"] * unit.picosecond,
    )
    integrator.setRandomNumberSeed(_seed(recipe, index))
    return integrator


def _seed(recipe: Recipe, index: int) -> int:
    return int(np.random.SeedSequence([recipe.settings["seed"], index]).generate_state(1)[0] % (2**31 - 2)) + 1


def _begin(
    context: Any, integrator: Any, recipe: Recipe, one: Built, batch: Sequence[int], offsets: NDArray[np.float64]
) -> None:
    """Prepare one trajectory in place; of several, each on its own, then all put together."""
    import openmm

    if len(batch) == 1:
        prepare(context, integrator, recipe, one, batch[0], _seed(recipe, batch[0]))
        return
    positions, velocities = [], []
    for index, offset in zip(batch, offsets, strict=True):
        alone = _integrator(recipe, index)
        single = openmm.Context(one.system, alone, context.getPlatform())
        prepare(single, alone, recipe, one, index, _seed(recipe, index))
        state = single.getState(getPositions=True, getVelocities=True)
        xyz = state.getPositions(asNumpy=True)._value  # noqa: SLF001 - nm, without the unit's copy
        shift = one.masses @ (one.positions - xyz) / one.masses.sum()
        positions.append(xyz + shift + offset)
        velocities.append(state.getVelocities(asNumpy=True)._value)  # noqa: SLF001
    context.setPositions(np.concatenate(positions))
    context.setVelocities(np.concatenate(velocities))


def _advance(context: Any, integrator: Any, recipe: Recipe, one: Built, copies: int) -> NDArray[np.float32]:
    """One part of every copy: float32 (copies, frames, solute atoms, 3), nm, centres of mass at the origin."""
    from openmm import unit

    steps = round(recipe.settings["frame_ps"] / recipe.settings["integrator"]["step_ps"])
    per_part = int(recipe.settings["checkpoint_frames"])
    frames = np.empty((copies, per_part, one.solute, 3), dtype=np.float32)
    for row in range(per_part):
        integrator.step(steps)
        xyz = context.getState(getPositions=True).getPositions(asNumpy=True).value_in_unit(unit.nanometer)
        for copy in range(copies):
            solute = xyz[copy * one.solute : (copy + 1) * one.solute] if copies > 1 else xyz[: one.solute]
            frames[copy, row] = solute - one.masses @ solute / one.masses.sum()
    return frames
