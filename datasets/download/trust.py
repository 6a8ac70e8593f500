"""Trust on first use: a lock file with the hash of every file published without one, as it was first downloaded."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from backmapbench.errors import DownloadError
from backmapbench.files import atomic_write, sweep_unfinished

NAME = "hashes.json"


class Trusted(BaseModel):
    """What a file was when it was first downloaded (or taken from a user's folder)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int
    origin: str
    first_seen: str
    published: str | None = Field(default=None, description="checksum of the card that it agreed with; None: trusted")


_CONTENT = TypeAdapter(dict[str, Trusted])


class TrustFile:
    """The lock file in ``folder``; safe to use from several threads and processes."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME

    def read(self) -> dict[str, Trusted]:
        """All entries by file path. Raises DownloadError for a lock file that is damaged."""
        try:
            return _CONTENT.validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return {}
        except ValidationError as error:
            raise DownloadError(
                f"{self.path}: damaged lock file of hashes; restore it, or remove it to trust anew"
            ) from error

    def record(self, name: str, sha256: str, size: int, origin: str, published: str | None) -> Trusted:
        """Add an entry, unless there is one; returns the entry that counts."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.path}.lock"):
            sweep_unfinished(self.path)
            entries = self.read()
            if name not in entries:
                moment = datetime.now(UTC).isoformat(timespec="seconds")
                entries[name] = Trusted(
                    sha256=sha256, bytes=size, origin=origin, first_seen=moment, published=published
                )
                content = {key: entry.model_dump() for key, entry in sorted(entries.items())}
                with atomic_write(self.path, "w") as handle:
                    json.dump(content, handle, indent=1)
            return entries[name]
