"""Readers of trajectory formats, each as blocks of frames in nanometres."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mdtraj import formats as md
from mdtraj.utils.unitcell import lengths_and_angles_to_box_vectors
from numpy.typing import NDArray

from backmapbench.datasets.readers import pdb_models
from backmapbench.datasets.readers.arrays import npy_blocks, npz_blocks
from backmapbench.errors import DataError

NM_PER_ANGSTROM = 0.1
_DAMAGE = (RuntimeError, OSError, ValueError, EOFError, IndexError)  # what MDTraj raises at a cut, by format
UNITS = {"nm": 1.0, "angstrom": NM_PER_ANGSTROM}


@dataclass(frozen=True)
class Block:
    """Frames as read: positions (frames, atoms, 3), boxes (frames, 3, 3), times (frames,); nm and ps."""

    positions: NDArray[np.float32]
    box: NDArray[np.float32] | None
    time_ps: NDArray[np.float64] | None


@dataclass(frozen=True)
class Shortfall:
    """Why a file gives fewer frames than it claims."""

    reason: str


Blocks = Iterator[Block | Shortfall]


def blocks(path: Path, frames: int, unit: str | None, key: str | None) -> Blocks:
    """Blocks of up to ``frames`` frames, and a Shortfall where the file turns out to be cut off.

    Raises DataError for an unknown format, damage in the first frame, or an array file without a unit.
    """
    suffix = path.suffix.lower()
    if suffix in _ARRAYS:
        if unit not in UNITS:
            raise DataError(f"{path}: {suffix} files carry no unit (given {unit!r}); say unit='nm' or unit='angstrom'")
        arrays = npz_blocks(path, frames, key) if suffix == ".npz" else npy_blocks(path, frames)
        return (Block((array * UNITS[unit]).astype(np.float32), None, None) for array in arrays)
    if suffix in {".pdb", ".ent"}:
        return _pdb(path, frames)
    if suffix not in _BINARY:
        raise DataError(f"{path}: '{suffix}' is no trajectory format read here; give one of {', '.join(SUFFIXES)}")
    return _binary(path, frames, *_BINARY[suffix])


def _binary(path: Path, frames: int, opener: Any, convert: Callable[[Any], Block]) -> Blocks:
    """Blocks of a format that MDTraj reads; a block that it cannot read is read frame by frame as far as it goes."""
    try:
        handle = opener(str(path))
    except Exception as error:  # each format raises its own kind (OSError, RuntimeError, HDF5ExtError, ...)
        raise DataError(f"{path}: cannot be opened as a trajectory ({_short(error)}); copy it again") from error
    with handle:
        seen = 0
        while True:
            try:
                block = convert(handle.read(frames))
            except _DAMAGE as error:
                with opener(str(path)) as again:
                    saved = list(_one_by_one(again, seen, convert, frames))
                seen += len(saved)
                yield from saved
                yield Shortfall(f"is damaged after frame {seen} ({_short(error)})")
                return
            if not len(block.positions):
                break
            seen += len(block.positions)
            yield block
    claimed = _dcd_claims(path) if opener is md.DCDTrajectoryFile else 0
    if claimed > seen:
        yield Shortfall(f"claims {claimed} frames and holds {seen}")


def _one_by_one(handle: Any, start: int, convert: Callable[[Any], Block], frames: int) -> Iterator[Block]:
    """The readable frames of the block from ``start``, in a file just opened."""
    # Read, not sought: MDTraj's seek fails on indices of files that are cut off.
    for _ in range(0, start, frames):
        handle.read(frames)
    for _ in range(frames):
        try:
            block = convert(handle.read(1))
        except _DAMAGE:
            return
        yield block


def _xtc(raw: Any) -> Block:
    positions, time, _, box = raw
    return Block(positions, _real(box), time.astype(np.float64))


def _trr(raw: Any) -> Block:
    positions, time, _, box, _ = raw
    return Block(positions, _real(box), time.astype(np.float64))


def _gro(raw: Any) -> Block:
    # Times of a gro file are in its title, which is free text: not trusted.
    positions, _, box = raw
    return Block(positions.astype(np.float32), _real(box), None)


def _dcd(raw: Any) -> Block:
    positions, lengths, angles = raw
    scaled = None if lengths is None else lengths * NM_PER_ANGSTROM
    return Block((positions * NM_PER_ANGSTROM).astype(np.float32), _vectors(scaled, angles), None)


def _h5(raw: Any) -> Block:
    if not len(raw):  # MDTraj's answer at the end of an h5 file is an empty list
        return Block(np.empty((0, 0, 3), dtype=np.float32), None, None)
    time = None if raw.time is None else np.asarray(raw.time, dtype=np.float64)
    return Block(raw.coordinates.astype(np.float32), _vectors(raw.cell_lengths, raw.cell_angles), time)


def _pdb(path: Path, frames: int) -> Blocks:
    cell = pdb_models.unit_cell(path)
    pending: list[NDArray[np.float32]] = []
    names: list[str] | None = None
    found = pdb_models.models(path)
    number = 0
    while True:
        try:
            lines = next(found, None)
        except DataError:
            if number == 0:
                raise
            yield from _stack(pending, cell)
            yield Shortfall(f"ends inside model {number + 1}")
            return
        if lines is None:
            break
        number += 1
        own = [line[12:16] + line[17:26] for line in lines if not line.startswith("TER")]
        if names is not None and own != names:
            raise DataError(f"{path}: model {number} has other atoms than model 1; split the file")
        names = own
        pending.append(pdb_models.coordinates(path, lines, number))
        if len(pending) == frames:
            yield from _stack(pending, cell)
            pending = []
    yield from _stack(pending, cell)


def _stack(pending: list[NDArray[np.float32]], cell: NDArray[np.float32] | None) -> Iterator[Block]:
    if pending:
        box = None if cell is None else np.repeat(cell[None], len(pending), axis=0)
        yield Block(np.stack(pending), box, None)


def _real(box: NDArray[Any] | None) -> NDArray[np.float32] | None:
    """None for the zeros that a format without 'no box' writes."""
    return box.astype(np.float32) if box is not None and box.any() else None


def _vectors(lengths: NDArray[Any] | None, angles: NDArray[Any] | None) -> NDArray[np.float32] | None:
    if lengths is None or angles is None or not lengths.size or not lengths.all():
        return None
    vectors = lengths_and_angles_to_box_vectors(*lengths.T, *angles.T)
    return np.stack(vectors, axis=1).astype(np.float32)


def _dcd_claims(path: Path) -> int:
    """Frames according to a DCD header; 0 where a writer left it open."""
    with path.open("rb") as handle:
        head = handle.read(24)
    at = head.find(b"CORD") + 4
    order = "<" if head[0] == 84 else ">"
    return int(np.frombuffer(head[at : at + 4], f"{order}i4")[0])


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:120]


_ARRAYS = {".npy", ".npz"}
_BINARY: dict[str, tuple[Any, Callable[[Any], Block]]] = {
    ".xtc": (md.XTCTrajectoryFile, _xtc),
    ".trr": (md.TRRTrajectoryFile, _trr),
    ".dcd": (md.DCDTrajectoryFile, _dcd),
    ".h5": (md.HDF5TrajectoryFile, _h5),
    ".hdf5": (md.HDF5TrajectoryFile, _h5),
    ".gro": (md.GroTrajectoryFile, _gro),
}
SUFFIXES = (*_BINARY, *sorted(_ARRAYS), ".pdb")
