"""The store: many trajectories as one array that maps into memory, and where each begins."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import DataError

POSITIONS = "positions.npy"
LENGTHS = "lengths.json"
SCHEMA = 1
HEADER_BYTES = 128


@dataclass(frozen=True)
class RawTrajectory:
    """One independent trajectory: its file, and a file that names the atoms in it.

    ``topology`` None: a pdb, gro or h5 file names its own atoms; in other formats the atoms are the wanted ones in the
    wanted order.
    """

    path: Path
    topology: Path | None = None


def open_split(path: Path) -> Trajectories:
    """The trajectories of the store folder ``path``; positions stay on disk and are read where they are touched.

    Raises DataError when a file is missing, damaged or not what the other one says.
    """
    about = read_lengths(path)
    file = path / POSITIONS
    try:
        positions = npy.open_memmap(file, mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{file}: not a complete array ({error}); ingest the trajectories again") from error
    expected = (sum(about["lengths"]), about["atoms"], 3)
    if positions.shape != expected or positions.dtype != np.float32:
        raise DataError(f"{file}: {positions.dtype} {positions.shape}, {LENGTHS} says float32 {expected}; ingest again")
    return Trajectories(positions, tuple(about["lengths"]), about["frame_ps"])


def read_lengths(path: Path) -> dict[str, Any]:
    """What the store says of itself. Raises DataError for a folder that is no store."""
    file = path / LENGTHS
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
        known = about["schema_version"] == SCHEMA and {"atoms", "frame_ps", "lengths", "settings", "sources"} <= set(
            about
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file}: not readable ({error}); give a folder that ingest wrote") from error
    if not known:
        raise DataError(f"{file}: is of schema {about['schema_version']}, expected {SCHEMA}; ingest again")
    return dict(about)


def write_header(handle: IO[bytes], frames: int, atoms: int) -> None:
    """The .npy header of float32 (frames, atoms, 3) at the start of a file, always of the same length.

    Raises DataError for a shape whose header would be longer.
    """
    handle.seek(0)
    npy.write_array_header_1_0(handle, {"descr": "<f4", "fortran_order": False, "shape": (frames, atoms, 3)})
    if handle.tell() != HEADER_BYTES:
        raise DataError(
            f"{frames} frames of {atoms} atoms do not fit the header of a .npy file; split the trajectories"
        )
