"""Unpacking archives of strangers: nothing outside the folder, no links, no devices, no bombs, all or nothing."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from stat import S_IFMT, S_IFREG
from typing import IO, Any, Literal

from backmapbench.datasets.download.partial import local_errors
from backmapbench.errors import DownloadError

SUFFIX = ".unpacked"
MARK = ".archive.json"
BLOCK = 1 << 20
HEADERS = 4096  # bytes of headers and padding per member of a tar file; long names take about half of that


class BadArchiveError(DownloadError):
    """An archive that is damaged or that would do more than put files into a folder."""


@dataclass(frozen=True)
class SafeUnpack:
    """``processor`` argument of ``pooch.Pooch.fetch``: unpacks to a folder beside the archive; returns its files.

    ``limit_bytes`` bounds what may come out in all, ``ratio`` how many times the archive's own size that may be.
    """

    kind: Literal["tar.gz", "zip"]
    limit_bytes: int = 1 << 36
    ratio: float = 200.0
    members: int = 200_000

    def __call__(self, fname: str, action: str, pooch: Any) -> list[str]:
        """Unpack ``fname`` unless that is done. Raises BadArchiveError; DownloadError for the local disk."""
        archive = Path(fname)
        folder = archive.with_name(archive.name + SUFFIX)
        if not self._done(archive, folder):
            with local_errors(folder):
                self._unpack(archive, folder)
        return [str(path) for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MARK]

    def _done(self, archive: Path, folder: Path) -> bool:
        try:
            return bool(json.loads((folder / MARK).read_text(encoding="utf-8")) == _stamp(archive))
        except (OSError, ValueError):
            return False

    def _unpack(self, archive: Path, folder: Path) -> None:
        for left in archive.parent.glob(f".{archive.name}.*.tmp"):
            shutil.rmtree(left, ignore_errors=True)
        room = Path(tempfile.mkdtemp(prefix=f".{archive.name}.", suffix=".tmp", dir=archive.parent))
        try:
            allowance = _Allowance(
                archive, min(self.limit_bytes, int(archive.stat().st_size * self.ratio)), self.members
            )
            reader = _tar_members if self.kind == "tar.gz" else _zip_members
            for name, stream in reader(archive, allowance):
                target = room / allowance.inside(name)
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as handle:
                    while block := stream.read(BLOCK):
                        allowance.spend(len(block))
                        handle.write(block)
            (room / MARK).write_text(json.dumps(_stamp(archive)), encoding="utf-8")
            room.chmod(0o755)
            if folder.exists():
                shutil.rmtree(folder)
            room.replace(folder)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise BadArchiveError(f"{archive}: refused: two members share a path; do not trust it") from error
        except Exception as error:
            if isinstance(error, (DownloadError, OSError)) and not isinstance(error, gzip.BadGzipFile):
                raise
            # Parsers of damaged archives raise whatever they trip over.
            raise BadArchiveError(f"{archive}: damaged archive ({error!r}); remove it and fetch again") from error
        finally:
            shutil.rmtree(room, ignore_errors=True)


class _Allowance:
    """What an archive may still write."""

    def __init__(self, archive: Path, limit: int, members: int) -> None:
        self.archive, self.limit, self.members = archive, limit, members
        self.spent = self.counted = 0

    def refuse(self, reason: str) -> BadArchiveError:
        return BadArchiveError(f"{self.archive}: refused: {reason}; do not trust it")

    def spend(self, amount: int) -> None:
        self.spent += amount
        if self.spent > self.limit:
            raise self.refuse(f"unpacks to more than {self.limit} bytes")

    def count(self) -> None:
        self.counted += 1
        if self.counted > self.members:
            raise self.refuse("holds too many members")

    def inside(self, name: str) -> PurePosixPath:
        path = PurePosixPath(name)
        odd = "\\" in name or "\0" in name or (path.parts and ":" in path.parts[0])
        if not path.parts or path.is_absolute() or ".." in path.parts or odd or path.name == MARK:
            raise self.refuse(f"member '{name[:80]}' would be written outside its folder")
        return path


class _Counted:
    """A stream that may bring little besides files: headers, which are held in memory, and padding can be bombs too."""

    def __init__(self, stream: IO[bytes], allowance: _Allowance) -> None:
        self.stream, self.allowance, self.seen = stream, allowance, 0

    def read(self, size: int = -1) -> bytes:
        block = self.stream.read(size)
        self.seen += len(block)
        if self.seen > self.allowance.spent + self.allowance.counted * HEADERS + 2 * BLOCK:
            raise self.allowance.refuse("holds far more than its files")
        return block


def _tar_members(archive: Path, allowance: _Allowance) -> Iterator[tuple[str, IO[bytes]]]:
    with gzip.open(archive, "rb") as unzipped:
        counted = _Counted(unzipped, allowance)  # type: ignore[arg-type]
        with tarfile.open(fileobj=counted, mode="r|") as tar:  # type: ignore[call-overload]
            for member in tar:
                allowance.count()
                if member.isdir():
                    if member.name not in (".", "./"):
                        allowance.inside(member.name)
                    continue
                stream = tar.extractfile(member) if member.isreg() and not member.issparse() else None
                if stream is None:
                    raise allowance.refuse(f"member '{member.name[:80]}' is a link, a device or sparse")
                yield member.name, stream
        while counted.read(BLOCK):  # to the end, where gzip checks its sum
            pass


def _zip_members(archive: Path, allowance: _Allowance) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(archive) as packed:
        for member in packed.infolist():
            allowance.count()
            kind = S_IFMT(member.external_attr >> 16)
            if member.is_dir():
                allowance.inside(member.filename)
                continue
            if kind not in (0, S_IFREG) or member.flag_bits & 1:
                raise allowance.refuse(f"member '{member.filename[:80]}' is a link, a device or encrypted")
            with packed.open(member) as stream:
                yield member.filename, stream


def _stamp(archive: Path) -> dict[str, int]:
    found = os.stat(archive)  # noqa: PTH116  (one call for size and time)
    return {"bytes": found.st_size, "mtime_ns": found.st_mtime_ns}
