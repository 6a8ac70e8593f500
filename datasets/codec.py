"""Compact storage of positions on a fixed grid: exact integers, several times smaller than float32.

Positions are rounded to a grid of ``quantum`` nm; each atom is stored as the integer difference to its parent in a
spanning tree of the bond graph (bonded atoms are close, so the differences are small), as two byte planes, in an LZMA
compressed ``.npz``. Rounding moves each coordinate by at most quantum / 2 and never accumulates: the differences are
of grid points.
"""

from __future__ import annotations

import io
import lzma
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backmapbench.datasets.trajectories import Positions, Trajectories
from backmapbench.errors import DataError
from backmapbench.files import atomic_write


def spanning_tree(bonds: Sequence[tuple[int, int]], atoms: int) -> NDArray[np.int32]:
    """Parent of each atom, breadth first from the lowest index of each molecule; -1 for the roots."""
    neighbours: list[list[int]] = [[] for _ in range(atoms)]
    for a, b in bonds:
        neighbours[a].append(b)
        neighbours[b].append(a)
    parents = np.full(atoms, -1, dtype=np.int32)
    seen = [False] * atoms
    for root in range(atoms):
        queue = [] if seen[root] else [root]
        for atom in queue:
            seen[atom] = True
            for child in sorted(neighbours[atom]):
                if not seen[child] and child not in queue:
                    parents[child] = atom
                    queue.append(child)
    return parents


def write(path: Path, trajectories: Trajectories, parents: NDArray[np.int32], quantum: float) -> None:
    """Store ``trajectories`` at ``path`` rounded to ``quantum`` nm.

    Raises DataError if a difference does not fit 16 bits (|difference| < 32768 quantum).
    """
    grid = np.rint(trajectories.positions.astype(np.float64) / quantum).astype(np.int64)
    children = np.flatnonzero(parents >= 0)
    differences = grid.copy()
    differences[:, children] -= grid[:, parents[children]]
    if np.abs(differences).max(initial=0) > np.iinfo(np.int16).max:
        raise DataError(f"{path}: a distance is too long for a grid of {quantum} nm; make the molecule whole first")
    words = np.ascontiguousarray(differences.reshape(len(grid), -1).T.astype("<i2"))
    planes = words.view(np.uint8).reshape(*words.shape, 2).transpose(2, 0, 1)
    arrays: dict[str, NDArray[Any] | np.float64] = {
        "planes": np.ascontiguousarray(planes),
        "parents": parents.astype(np.int32),
        "quantum": np.float64(quantum),
        "lengths": np.array(trajectories.lengths, dtype=np.int64),
        "frame_ps": np.float64(np.nan if trajectories.frame_ps is None else trajectories.frame_ps),
    }
    with atomic_write(path) as handle, zipfile.ZipFile(handle, "w", zipfile.ZIP_LZMA) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, array, allow_pickle=False)
            # A fixed date keeps the file's hash the same whenever the recipe is run.
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_LZMA
            archive.writestr(entry, buffer.getvalue())


def read(path: Path) -> Trajectories:
    """Read what ``write`` stored. Raises DataError for a file that is damaged or of another kind."""
    try:
        with np.load(path, allow_pickle=False) as saved:
            planes, parents = saved["planes"], saved["parents"]
            quantum, lengths, frame_ps = float(saved["quantum"]), saved["lengths"], float(saved["frame_ps"])
    except (OSError, ValueError, KeyError, EOFError, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError) as error:
        raise DataError(f"{path}: not a readable trajectory file ({error}); fetch or reinstall it") from error
    words = np.ascontiguousarray(planes.transpose(1, 2, 0)).view("<i2")[..., 0]
    grid = words.T.reshape(words.shape[1], len(parents), 3).astype(np.int32)
    for atom in _parents_first(parents):
        if parents[atom] >= 0:
            grid[:, atom] += grid[:, parents[atom]]
    positions: Positions = (grid * quantum).astype(np.float32)
    return Trajectories(positions, tuple(int(n) for n in lengths), None if np.isnan(frame_ps) else frame_ps)


def quantum(path: Path) -> float:
    """The grid that a file's positions lie on, nm. Raises DataError for a file of another kind."""
    try:
        with np.load(path, allow_pickle=False) as saved:
            return float(saved["quantum"])
    except (OSError, ValueError, KeyError, EOFError, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError) as error:
        raise DataError(f"{path}: not a readable trajectory file ({error}); fetch or reinstall it") from error


def _parents_first(parents: NDArray[np.int32]) -> list[int]:
    """Atoms ordered so that every parent comes before its children."""
    depth = np.zeros(len(parents), dtype=int)
    for atom in range(len(parents)):
        above = parents[atom]
        while above >= 0:
            depth[atom] += 1
            above = parents[above]
    return [int(atom) for atom in np.argsort(depth, kind="stable")]
