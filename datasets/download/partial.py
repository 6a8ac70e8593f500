"""The bytes of a download so far, and beside them where they came from, so that it can go on after any interruption."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from backmapbench.errors import DownloadError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class Origin:
    """Which bytes a partial file holds: address, the server's mark of their version, size of the whole file."""

    url: str
    validator: str | None
    total: int | None


@dataclass
class Partial:
    """A partial file at ``path``; its origin is kept in ``path`` + ``.json``."""

    path: Path

    @property
    def note(self) -> Path:
        """The file that says where the bytes came from."""
        return self.path.with_name(f"{self.path.name}.json")

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def origin(self) -> Origin | None:
        """Where the bytes came from; None if that is not known, and then they are of no use."""
        try:
            return Origin(**json.loads(self.note.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def forget(self) -> None:
        """Remove the bytes and the note."""
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def begin(self, origin: Origin) -> None:
        """Start anew with bytes of ``origin``. The old ones go first: they must never be taken for the new origin's."""
        with local_errors(self.path):
            self.forget()
            # Moved into place, so never half a note; not forced to disk: a note that is lost only costs a new start.
            whole = self.note.with_name(f"{self.note.name}.new")
            whole.write_text(json.dumps(asdict(origin)), encoding="utf-8")
            whole.replace(self.note)
            self.path.touch()

    @contextlib.contextmanager
    def append(self) -> Iterator[IO[bytes]]:
        """The file open for appending."""
        with local_errors(self.path), self.path.open("ab") as handle:
            yield handle

    def to_disk(self) -> None:
        """Force the bytes to disk, before they get a name that says they are complete."""
        with local_errors(self.path), self.path.open("rb") as handle:
            os.fsync(handle.fileno())


@contextlib.contextmanager
def local_errors(path: Path) -> Iterator[None]:
    """Turn errors of this machine's disk into one DownloadError: repeating would not help."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise DownloadError(
                f"{path}: the disk is full ({error.strerror}); free space and run again, it goes on where it stopped"
            ) from error
        raise DownloadError(f"{path}: cannot be written ({error.strerror or error}); check the folder") from error
