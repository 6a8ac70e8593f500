"""Positions in NumPy files: .npy mapped into memory, .npz read through without unpacking it."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from backmapbench.errors import DataError


def npy_blocks(path: Path, frames: int) -> Iterator[NDArray[Any]]:
    """Up to ``frames`` frames at a time of the (frames, atoms, 3) array in a .npy file, in the file's unit and type.

    Raises DataError for a file that is cut off, of another shape, or not of numbers.
    """
    try:
        array = npy.open_memmap(path, mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: not a complete .npy file of numbers ({error}); copy it again") from error
    _check(path, array.shape, array.dtype)
    for start in range(0, len(array), frames):
        # Mapped anew each time: pages of one long-lived map would stay in memory until the whole file is.
        yield npy.open_memmap(path, mode="r")[start : start + frames]


def npz_blocks(path: Path, frames: int, key: str | None = None) -> Iterator[NDArray[Any]]:
    """The same for one array of a .npz file.

    ``key`` names the array; without it the file must hold exactly one array of shape (frames, atoms, 3).
    Raises DataError for no such array, several of them, or damage.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            member = f"{_choose(path, archive, key)}.npy"
            with archive.open(member) as handle:
                yield from _read_through(path, handle, frames)
    except (zipfile.BadZipFile, OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: not a complete .npz file ({error}); copy it again") from error


def _choose(path: Path, archive: zipfile.ZipFile, key: str | None) -> str:
    shapes = {}
    for name in archive.namelist():
        if name.endswith(".npy"):
            with archive.open(name) as handle:
                shapes[name.removesuffix(".npy")] = _header(handle)[0]
    fitting = [name for name, shape in shapes.items() if len(shape) == 3 and shape[2] == 3]
    if key is None and len(fitting) == 1:
        return fitting[0]
    if key in fitting:
        return str(key)
    listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items()) or "nothing"
    asked = f"no array '{key}' of shape (frames, atoms, 3)" if key else f"{len(fitting)} arrays of (frames, atoms, 3)"
    raise DataError(f"{path}: {asked}; it holds {listed}; name one by its key")


def _header(handle: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(handle)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read(handle)
    return shape, fortran, dtype


def _read_through(path: Path, handle: Any, frames: int) -> Iterator[NDArray[Any]]:
    shape, fortran, dtype = _header(handle)
    _check(path, shape, dtype)
    if fortran:  # frames lie apart in the file, so there is no reading it through
        whole = np.frombuffer(handle.read(), dtype).reshape(shape, order="F")
        yield from (whole[start : start + frames] for start in range(0, shape[0], frames))
        return
    size = int(np.prod(shape[1:])) * dtype.itemsize
    for start in range(0, shape[0], frames):
        count = min(frames, shape[0] - start)
        content = handle.read(count * size)
        if len(content) < count * size:
            raise DataError(f"{path}: claims {shape[0]} frames and ends after {start + len(content) // size}")
        yield np.frombuffer(content, dtype).reshape(count, *shape[1:])


def _check(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if len(shape) != 3 or shape[2] != 3 or dtype.kind not in "fiu":
        raise DataError(f"{path}: holds {dtype} of shape {shape}; expected numbers of shape (frames, atoms, 3)")
