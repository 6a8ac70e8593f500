"""Trajectory files of all formats as a stream of chunks: nanometres, boxes as vectors, never a silent NaN."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import mdtraj
import numpy as np
from numpy.typing import NDArray

from backmapbench.datasets.readers import formats
from backmapbench.errors import DataError

Unit = Literal["nm", "angstrom"]


class TruncatedFileWarning(UserWarning):
    """A trajectory file ends before its header or its last frame says; what is there was read."""


@dataclass(frozen=True)
class Chunk:
    """Consecutive frames of one trajectory.

    ``positions``: float32 (frames, atoms, 3), nm. ``box``: vectors as rows, float32 (frames, 3, 3), nm; None without a
    box. ``time_ps``: float64 (frames,); None where the format carries no times (dcd, npy, npz, pdb).
    """

    positions: NDArray[np.float32]
    box: NDArray[np.float32] | None
    time_ps: NDArray[np.float64] | None

    def __len__(self) -> int:
        """Frames."""
        return len(self.positions)


def stream(
    path: Path,
    topology: mdtraj.Topology,
    *,
    chunk: int = 1000,
    stride: int = 1,
    unit: Unit | None = None,
    key: str | None = None,
    truncated: Literal["error", "read"] = "error",
) -> Iterator[Chunk]:
    """Frames 0, stride, 2 stride, ... of a trajectory file, read ``chunk`` frames of the file at a time.

    Args:
        path: xtc, trr, dcd, h5, gro, multi-model pdb, npy (mapped into memory) or npz.
        topology: of the file's atoms; only their number is checked (see ``match_atoms``).
        chunk: frames of the file held at once; a chunk that comes out has at most chunk / stride, rounded up.
        stride: every how many-th frame to keep.
        unit: of npy and npz, which do not say it themselves and so need it; the other formats have theirs.
        key: the array of an npz file that holds several of shape (frames, atoms, 3).
        truncated: whether a file that ends too early is an error, or is read as far as it goes, with a
            TruncatedFileWarning that says how far.

    Raises:
        DataError: for a file that is missing, damaged, of an unknown format or another number of atoms, that holds
            no frame, or a position, box or time that is not a finite number.
    """

    def short(reason: str) -> None:
        if truncated == "error":
            raise DataError(f"{path}: {reason}; copy it again, or ask for what is there (truncated='read')")
        warnings.warn(f"{path}: {reason}; reading what is there", TruncatedFileWarning, stacklevel=3)

    return chunks(path, topology, chunk, stride, unit, key, short)


def chunks(
    path: Path,
    topology: mdtraj.Topology,
    chunk: int,
    stride: int,
    unit: Unit | None,
    key: str | None,
    short: Callable[[str], None],
) -> Iterator[Chunk]:
    """What ``stream`` gives, with ``short`` told why a file ends too early."""
    if chunk < 1 or stride < 1:
        raise DataError(f"{path}: chunk = {chunk}, stride = {stride}; both must be at least 1")
    if not path.is_file():
        raise DataError(f"{path}: no such file; give a trajectory ({', '.join(formats.SUFFIXES)})")
    seen = 0
    for block in formats.blocks(path, chunk, unit, key):
        if isinstance(block, formats.Shortfall):
            short(block.reason)
            continue
        _refuse(path, block, topology, seen)
        kept = slice(-seen % stride, None, stride)
        seen += len(block.positions)
        if len(block.positions[kept]):
            box = None if block.box is None else block.box[kept]
            yield Chunk(block.positions[kept], box, None if block.time_ps is None else block.time_ps[kept])
    if seen == 0:
        raise DataError(f"{path}: holds no complete frame; copy it again")


def _refuse(path: Path, block: formats.Block, topology: mdtraj.Topology, seen: int) -> None:
    if block.positions.shape[1:] != (topology.n_atoms, 3):
        raise DataError(
            f"{path}: holds {block.positions.shape[1]} atoms, its topology {topology.n_atoms}; "
            "give the topology of this file"
        )
    for what, values in (("position", block.positions), ("box", block.box), ("time", block.time_ps)):
        if values is not None and not np.isfinite(values).all():
            frame = seen + int(np.argwhere(~np.isfinite(values))[0][0])
            raise DataError(f"{path}: frame {frame} has a {what} that is not a finite number; cut it out or copy again")
