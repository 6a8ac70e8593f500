"""Conditional molecular dynamics: atoms drawn again and again at held beads, resumable after a kill.

Each sample is a function of the one before it and of a seed of its own, and a frame's file is replaced in one move: a
kill costs at most one sample, and on the Reference platform a continued run equals an unbroken one.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from backmapbench.datasets.simulation.drawing import Drawing, draw
from backmapbench.datasets.simulation.held_files import (
    INPUT,
    RESULT,
    Frames,
    frame_path,
    load_input,
    no_samples,
    read_arrays,
    write_start,
)
from backmapbench.datasets.simulation.holding import hold
from backmapbench.datasets.simulation.recipe import Recipe
from backmapbench.datasets.simulation.systems import built, platform_for
from backmapbench.errors import DataError
from backmapbench.files import atomic_write

MARK = "held.json"


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


def _claim(recipe: Recipe, frames: Frames, drawing: Drawing, folder: Path) -> None:
    """Mark the folder with all that the samples depend on, or refuse one that was begun with something else."""
    digest = hashlib.sha256()
    for array in (frames.starts, frames.beads, frames.weights):
        digest.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
    content = {"recipe": recipe.simulated, "drawing": drawing.settings, "input": digest.hexdigest()}
    text = json.dumps(content | {"about": frames.about}, indent=1, sort_keys=True)
    mark = folder / MARK
    if mark.exists() and mark.read_text(encoding="utf-8") != text:
        raise DataError(f"{folder}: was started with other settings or frames; choose an empty folder")
    write_start(recipe, folder)
    with atomic_write(folder / INPUT) as handle:
        np.savez(
            handle,
            starts=frames.starts,
            beads=frames.beads,
            weights=frames.weights,
            about=np.array(json.dumps(frames.about)),
        )
    with atomic_write(mark, "w") as handle:
        handle.write(text)


def _run_frame(path: Path, text: str, settings: str, folder: Path, number: int, parent: int) -> tuple[str, float]:
    """Draw what is missing at one frame, in a process of its own; returns platform and processor seconds so far."""
    os.environ["OPENMM_CPU_THREADS"] = "1"
    recipe, drawing, home = Recipe(path, json.loads(text)), Drawing(**json.loads(settings)), frame_path(folder, number)
    one = built(path, text)
    platform = platform_for(recipe, one)
    # A run killed from outside leaves its workers behind for one more sample; the next run's wait for them here.
    with FileLock(home.with_suffix(".lock")):
        frames = load_input(folder)
        beads, found = frames.beads[number], read_arrays(home) if home.exists() else no_samples(frames)
        step_ps = float(recipe.settings["integrator"]["step_ps"])
        held = None
        for sample in range(len(found["positions"]), drawing.samples):
            if os.getppid() != parent:
                raise SystemExit(f"{folder}: the run that started this worker is gone")
            began = time.process_time()
            held = held or hold(recipe, one, frames.weights)
            last = found["positions"][-1] if sample else frames.starts[number]
            seed = _seed(recipe, number, sample)
            try:
                drawn = draw(held, platform, last, beads, recipe.temperature, step_ps, drawing, seed)
            except DataError as error:
                raise DataError(f"{folder}: frame {number} cannot be drawn again: {error}") from error
            positions = np.concatenate([found["positions"], drawn.positions[None]])
            errors = np.append(found["bead_errors"], drawn.bead_error)
            seconds = found["seconds"] + time.process_time() - began
            found = {"positions": positions, "bead_errors": errors, "seconds": seconds}
            with atomic_write(home) as handle:
                np.savez(handle, positions=positions, bead_errors=errors, seconds=seconds)
    return str(platform.getName()), float(found["seconds"])


def _seed(recipe: Recipe, number: int, sample: int) -> int:
    words = [int(recipe.settings["seed"]), number, sample]
    return int(np.random.SeedSequence(words, spawn_key=(1,)).generate_state(1)[0] % (2**31 - 2)) + 1
