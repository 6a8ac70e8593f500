"""A store being written: positions appended trajectory by trajectory, each noted once it is safely on disk."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import filelock
import numpy as np
from numpy.typing import NDArray

from backmapbench.datasets.readers.store import HEADER_BYTES, POSITIONS, write_header
from backmapbench.errors import DataError

NOTES = "journal.jsonl"
LOCK = "lock"


class Journal:
    """The hidden folder of a store in the making; one process at a time, and it survives being killed.

    Attributes:
        folder: where ``positions.npy`` grows.
        entries: one per trajectory that is completely on disk.

    Raises DataError on entering when another process holds the folder.
    """

    def __init__(self, folder: Path, settings: dict[str, Any], atoms: int) -> None:
        self.folder = folder
        self.entries: list[dict[str, Any]] = []
        self._settings = json.loads(json.dumps(settings))
        self._frame_bytes = 12 * atoms
        self._lock = filelock.FileLock(folder / LOCK)
        self._positions: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            raise DataError(
                f"{self.folder}: another process is writing this store; wait until it has finished"
            ) from None
        self.entries = self._read_notes()
        path = self.folder / POSITIONS
        if not path.exists() or path.stat().st_size < self._end():
            self.entries = []
        self._positions = path.open("r+b" if path.exists() else "w+b")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._positions is not None:
            self._positions.close()
        self._lock.release()

    def keep_while_equal(self, sources: Iterable[dict[str, Any]]) -> int:
        """Keep the leading entries that describe ``sources``, drop the rest; returns how many are kept."""
        kept = 0
        for entry, source in zip(self.entries, sources, strict=False):
            if any(entry.get(name) != value for name, value in source.items()):
                break
            kept += 1
        self.entries = self.entries[:kept]
        self._rewrite_notes()
        handle = self._open()
        if not kept:
            write_header(handle, 0, self._frame_bytes // 12)
        handle.truncate(self._end())
        handle.seek(self._end())
        return kept

    def write(self, positions: NDArray[np.float32]) -> int:
        """Append frames; returns how many."""
        self._open().write(positions.data)
        return len(positions)

    def record(self, entry: dict[str, Any]) -> None:
        """Note that the trajectory just written is complete, after it has reached the disk."""
        handle = self._open()
        handle.flush()
        os.fsync(handle.fileno())
        self.entries.append(entry)
        with (self.folder / NOTES).open("a", encoding="utf-8") as notes:
            notes.write(json.dumps(entry) + "\n")
            notes.flush()
            os.fsync(notes.fileno())

    def move_to(self, out: Path) -> None:
        """Give the finished folder its name."""
        handle = self._open()
        handle.close()
        self.folder.rename(out)
        # In this order a kill in between leaves two needless files, not a store to be made again.
        for name in (NOTES, LOCK):
            (out / name).unlink(missing_ok=True)

    def _open(self) -> IO[bytes]:
        if self._positions is None:
            raise DataError(f"{self.folder}: not open for writing; enter the journal first")
        return self._positions

    def _end(self) -> int:
        return HEADER_BYTES + self._frame_bytes * sum(int(entry["frames"]) for entry in self.entries)

    def _read_notes(self) -> list[dict[str, Any]]:
        """Entries noted under the same settings; a line torn by a crash and all after it do not count."""
        path = self.folder / NOTES
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
        found = []
        for line in lines:
            try:
                found.append(json.loads(line))
            except ValueError:
                break
            if not line.endswith("\n"):
                found.pop()
        return found[1:] if found and found[0] == self._settings else []

    def _rewrite_notes(self) -> None:
        temporary = self.folder / f"{NOTES}.new"
        temporary.write_text(
            "".join(json.dumps(line) + "\n" for line in (self._settings, *self.entries)), encoding="utf-8"
        )
        shutil.move(temporary, self.folder / NOTES)
