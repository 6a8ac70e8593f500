"""Conditional molecular dynamics: atoms drawn again and again at held beads, resumable after a kill.

A run folder holds ``start.pdb`` (the solute), ``input.npz`` (start frames, beads and weights) and ``frame-NNNN.npz``, the
samples drawn so far at one frame's beads. Each sample is a function of the one before it and of a seed of its own, and
its file is replaced in one move: a kill costs at most one sample, and on the Reference platform a continued run equals
an unbroken one.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from backmapbench.datasets.simulation.holding import hold
from backmapbench.datasets.simulation.pulses import Drawing, draw
from backmapbench.datasets.simulation.recipe import Recipe
from backmapbench.datasets.simulation.run import START
from backmapbench.datasets.simulation.systems import built, platform_for, structure
from backmapbench.errors import DataError
from backmapbench.files import atomic_write

INPUT = "input.npz"
MARK = "held.json"
RESULT = "holding.json"


@dataclass(frozen=True, eq=False)
class Frames:
    """Frames to be drawn again.

    Attributes:
        starts: float64 (frames, solute atoms, 3), nm, hydrogens included.
        beads: float64 (frames, beads, 3), nm: where the beads are held.
        weights: float64 (beads, solute atoms): beads as means of atoms.
        about: what the frames are, for provenance.

    Raises:
        DataError: shapes that do not fit each other.
    """

    starts: NDArray[np.float64]
    beads: NDArray[np.float64]
    weights: NDArray[np.float64]
    about: dict[str, Any]

    def __post_init__(self) -> None:
        frames, atoms = self.starts.shape[:2]
        if self.beads.shape != (frames, len(self.weights), 3) or self.weights.shape[1] != atoms:
            raise DataError(
                f"start frames {self.starts.shape}, beads {self.beads.shape} and weights {self.weights.shape} do not fit; "
                "give (frames, atoms, 3), (frames, beads, 3) and (beads, atoms)"
            )


@dataclass(frozen=True, eq=False)
class Samples:
    """What a finished run holds.

    Attributes:
        frames: its input.
        positions: float64 (samples, frames, solute atoms, 3), nm; beads are exactly where the input has them.
        accepted: bool (samples, frames): whether the pulse was taken.
        bead_errors: float64 (samples, frames): how far the worst bead was off before it was put right, nm.
    """

    frames: Frames
    positions: NDArray[np.float64]
    accepted: NDArray[np.bool_]
    bead_errors: NDArray[np.float64]


def hold_beads(
    recipe: Recipe,
    frames: Frames,
    drawing: Drawing,
    folder: Path,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Draw ``drawing.samples`` samples at the beads of every frame; returns the provenance written to ``holding.json``.

    ``recipe`` is the one that made the frames. ``progress(done, total)`` is called with finished frames. A folder left
    by an interrupted run is continued; one made from other settings or frames raises DataError, and so does a frame
    whose coordinates run away.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _claim(recipe, frames, drawing, folder)
    context = multiprocessing.get_context("spawn")
    text, settings, count = json.dumps(recipe.simulated), json.dumps(drawing.settings), len(frames.starts)
    seconds, platforms = 0.0, set[str]()
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        jobs = [
            pool.submit(_run_frame, recipe.path, text, settings, folder, number, os.getpid()) for number in range(count)
        ]
        for done, job in enumerate(as_completed(jobs), start=1):
            platform, took = job.result()
            platforms.add(platform)
            seconds += took
            if progress is not None:
                progress(done, count)
    provenance = frames.about | {
        "drawing": drawing.settings,
        "core_seconds": round(seconds, 1),
        "platform": ", ".join(sorted(platforms)),
        "versions": {name: version(name) for name in ("openmm", "numpy")},
    }
    with atomic_write(folder / RESULT, "w") as handle:
        json.dump(provenance, handle, indent=1)
    return provenance


def load_samples(folder: Path) -> Samples:
    """The samples of a finished run. Raises DataError for a run that has not finished."""
    drawing = Drawing(**holding_provenance(folder)["drawing"])
    frames = _load_input(folder)
    saved = [_read(_home(folder, number)) for number in range(len(frames.starts))]
    if any(len(each["positions"]) != drawing.samples for each in saved):
        raise DataError(f"{folder}: a frame has fewer samples than the run was to draw; run the same command again")
    stacked = {name: np.stack([each[name] for each in saved], axis=1) for name in ("positions", "accepted", "bead_errors")}
    return Samples(frames, **stacked)


def holding_provenance(folder: Path) -> dict[str, Any]:
    """What a finished run wrote of itself. Raises DataError for a run that has not finished."""
    path = folder / RESULT
    if not path.is_file():
        raise DataError(f"{path}: missing, so the run has not finished; run the same command again to continue it")
    provenance: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return provenance


def write_start(recipe: Recipe, folder: Path) -> Path:
    """Write the recipe's solute to ``start.pdb`` in ``folder``, unless it is there, and return its path."""
    from openmm import app

    path = folder / START
    if not path.exists():
        topology, positions = structure(recipe)
        with atomic_write(path, "w") as handle:
            app.PDBFile.writeFile(topology, positions * 10, handle, keepIds=True)
    return path


def _claim(recipe: Recipe, frames: Frames, drawing: Drawing, folder: Path) -> None:
    """Mark the folder with all that the samples depend on, or refuse one that was begun with something else."""
    digest = hashlib.sha256()
    arrays = {"starts": frames.starts, "beads": frames.beads, "weights": frames.weights}
    for array in arrays.values():
        digest.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
    content = {"recipe": recipe.simulated, "drawing": drawing.settings, "input": digest.hexdigest()}
    text = json.dumps(content | {"about": frames.about}, indent=1, sort_keys=True)
    mark = folder / MARK
    if mark.exists() and mark.read_text(encoding="utf-8") != text:
        raise DataError(f"{folder}: was started with other settings or frames; choose an empty folder")
    write_start(recipe, folder)
    with atomic_write(folder / INPUT) as handle:
        np.savez(handle, **arrays, about=np.array(json.dumps(frames.about)))
    with atomic_write(mark, "w") as handle:
        handle.write(text)


def _run_frame(path: Path, text: str, settings: str, folder: Path, number: int, parent: int) -> tuple[str, float]:
    """Draw what is missing at one frame, in a process of its own; returns platform and processor seconds, of all runs."""
    os.environ["OPENMM_CPU_THREADS"] = "1"
    recipe, drawing, home = Recipe(path, json.loads(text)), Drawing(**json.loads(settings)), _home(folder, number)
    one = built(path, text)
    platform = platform_for(recipe, one)
    # A run killed from outside leaves its workers behind for one more sample; the next run's wait for them here.
    with FileLock(home.with_suffix(".lock")):
        frames = _load_input(folder)
        beads, found = frames.beads[number], _read(home) if home.exists() else _nothing(frames)
        held = None
        for sample in range(len(found["positions"]), drawing.samples):
            if os.getppid() != parent:
                raise SystemExit(f"{folder}: the run that started this worker is gone")
            began = time.process_time()
            held = held or hold(recipe, one, frames.weights)
            last = found["positions"][-1] if sample else frames.starts[number]
            try:
                drawn = draw(held, platform, last, beads, recipe.temperature, drawing, _seed(recipe, number, sample))
            except Exception as error:
                raise DataError(f"{folder}: frame {number} cannot be drawn again ({error}); shorten step_ps") from error
            new = {"positions": drawn.positions, "accepted": drawn.accepted, "bead_errors": drawn.bead_error}
            found = {
                name: np.concatenate([found[name], np.asarray(value)[None]]) for name, value in new.items()
            } | {"seconds": found["seconds"] + time.process_time() - began}
            with atomic_write(home) as handle:
                np.savez(handle, **found)
    return str(platform.getName()), float(found["seconds"])


def _nothing(frames: Frames) -> dict[str, NDArray[Any]]:
    atoms = frames.starts.shape[1]
    return {
        "positions": np.zeros((0, atoms, 3)),
        "accepted": np.zeros(0, dtype=bool),
        "bead_errors": np.zeros(0),
        "seconds": np.zeros(()),
    }


def _home(folder: Path, number: int) -> Path:
    return folder / f"frame-{number:04d}.npz"


def _read(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path, allow_pickle=False) as saved:
        return {name: saved[name] for name in saved.files}


def _load_input(folder: Path) -> Frames:
    saved = _read(folder / INPUT)
    return Frames(saved["starts"], saved["beads"], saved["weights"], json.loads(str(saved["about"])))


def _seed(recipe: Recipe, number: int, sample: int) -> int:
    words = [int(recipe.settings["seed"]), number, sample]
    return int(np.random.SeedSequence(words, spawn_key=(1,)).generate_state(1)[0] % (2**31 - 2)) + 1
