"""What a run that holds beads leaves on disk: its input, the samples of every frame, and its provenance.

A run folder holds ``start.pdb`` (the solute), ``input.npz`` (start frames, beads and weights), ``frame-NNNN.npz`` (the
samples drawn so far at one frame's beads) and, once it has finished, ``holding.json``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backmapbench.datasets.simulation.drawing import Drawing
from backmapbench.datasets.simulation.recipe import Recipe
from backmapbench.datasets.simulation.run import START
from backmapbench.datasets.simulation.systems import structure
from backmapbench.errors import DataError
from backmapbench.files import atomic_write

INPUT = "input.npz"
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
                f"starts {self.starts.shape}, beads {self.beads.shape} and weights {self.weights.shape} do not fit; "
                "give (frames, atoms, 3), (frames, beads, 3) and (beads, atoms)"
            )


@dataclass(frozen=True, eq=False)
class Samples:
    """What a finished run holds.

    Attributes:
        frames: its input.
        positions: float64 (samples, frames, solute atoms, 3), nm; beads are exactly where the input has them.
        bead_errors: float64 (samples, frames): how far the worst bead was off before it was put right, nm.
    """

    frames: Frames
    positions: NDArray[np.float64]
    bead_errors: NDArray[np.float64]


def load_samples(folder: Path) -> Samples:
    """The samples of a finished run. Raises DataError for a run that has not finished."""
    drawing = Drawing(**holding_provenance(folder)["drawing"])
    frames = load_input(folder)
    saved = [read_arrays(frame_path(folder, number)) for number in range(len(frames.starts))]
    if any(len(each["positions"]) != drawing.samples for each in saved):
        raise DataError(f"{folder}: a frame has fewer samples than the run was to draw; run the same command again")
    stacked = {name: np.stack([each[name] for each in saved], axis=1) for name in ("positions", "bead_errors")}
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


def no_samples(frames: Frames) -> dict[str, NDArray[Any]]:
    """What a frame's file would hold before the first sample."""
    return {
        "positions": np.zeros((0, frames.starts.shape[1], 3)),
        "bead_errors": np.zeros(0),
        "seconds": np.zeros(()),
    }


def frame_path(folder: Path, number: int) -> Path:
    """File of one frame's samples."""
    return folder / f"frame-{number:04d}.npz"


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of an ``.npz`` file."""
    with np.load(path, allow_pickle=False) as saved:
        return {name: saved[name] for name in saved.files}


def load_input(folder: Path) -> Frames:
    """The frames that a run was given."""
    saved = read_arrays(folder / INPUT)
    return Frames(saved["starts"], saved["beads"], saved["weights"], json.loads(str(saved["about"])))
