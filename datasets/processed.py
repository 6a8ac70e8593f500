"""What `fetch` makes of published files: one store of all frames, a topology, and a manifest that says from what."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from backmapbench.datasets.schema import FileEntry, PaperCard
from backmapbench.datasets.splits import divide, take
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import DataError, UnknownNameError
from backmapbench.files import sha256

FOLDER = "processed"
MANIFEST = "manifest.json"
Presence = Literal["present", "partly", "absent"]


class Manifest(BaseModel):
    """The processed form of one dataset. Paths are relative to the folder of the manifest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1]
    dataset: str
    card_version: int
    source: str
    origin: str
    made: str
    store: str
    topology: FileEntry
    store_files: list[FileEntry]
    lengths: list[int]
    frame_ps: float | None
    raw: list[FileEntry]
    notes: list[str]


class Processed:
    """The processed form of ``card`` in the cache folder ``folder``; nothing is read before it is asked for."""

    def __init__(self, card: PaperCard, folder: Path) -> None:
        self.card, self.home = card, folder / FOLDER

    @functools.cached_property
    def manifest(self) -> Manifest:
        """Raises DataError when the dataset was not fetched, with the command that fetches it."""
        path = self.home / MANIFEST
        command = fetch_command(self.card)
        try:
            found = Manifest.model_validate_json(path.read_bytes())
        except FileNotFoundError as error:
            raise DataError(f"dataset '{self.card.name}' is not on this machine; run `{command}`") from error
        except (ValidationError, OSError) as error:
            raise DataError(f"{path}: cannot be read; run `{command}` again") from error
        if found.card_version != self.card.version:
            raise DataError(f"{path}: made for version {found.card_version} of the card; run `{command}` again")
        return found

    def topology_path(self) -> Path:
        """The PDB file with names, residues and bonds; its hash is checked."""
        return self._whole(self.manifest.topology)

    def split(self, name: str) -> Trajectories:
        """The trajectories of one split; those that lie in one piece stay on disk and are read where touched.

        Raises UnknownNameError for a split the card does not have, DataError for files that are not the manifest's.
        """
        from backmapbench.datasets.readers import open_split

        if name not in self.card.splits:
            raise UnknownNameError(f"split of {self.card.name}", name, self.card.splits)
        for entry in self.manifest.store_files:
            self._sized(entry)
        data = open_split(self.home / self.manifest.store)
        if data.positions.shape[1] != self.card.atoms or list(data.lengths) != self.manifest.lengths:
            raise DataError(f"{self.home}: the store is not the manifest's; run `{fetch_command(self.card)}` again")
        variant = self.card.variants[self.card.splits[name]]
        return take(data, divide(data.lengths, variant)[self.card.split_in_variant(name)])

    def verify(self) -> list[Path]:
        """Check the hash of every file; returns them. Raises DataError at the first that is wrong."""
        return [self._whole(entry) for entry in (self.manifest.topology, *self.manifest.store_files)]

    @property
    def hashes(self) -> list[str]:
        """SHA-256 of topology and frames."""
        return [entry.sha256 for entry in (self.manifest.topology, *self.manifest.store_files)]

    def presence(self) -> Presence:
        """``present`` when the files are there in their sizes, ``partly`` when something was begun, else ``absent``."""
        try:
            for entry in (self.manifest.topology, *self.manifest.store_files):
                self._sized(entry)
        except DataError:
            found = self.home.parent.rglob("*") if self.home.parent.is_dir() else []
            begun = any(path.is_file() and not path.name.endswith(".lock") for path in found)
            return "partly" if begun else "absent"
        return "present"

    def _sized(self, entry: FileEntry) -> Path:
        path = self.home / entry.path
        size = path.stat().st_size if path.is_file() else None
        if size != entry.bytes:
            state = "missing" if size is None else f"{size} bytes instead of {entry.bytes}"
            raise DataError(f"{path}: {state}; run `{fetch_command(self.card)}` again")
        return path

    def _whole(self, entry: FileEntry) -> Path:
        path = self._sized(entry)
        if sha256(path) != entry.sha256:
            raise DataError(
                f"{path}: SHA-256 differs from the manifest's: altered; run `{fetch_command(self.card)}` again"
            )
        return path


def fetch_command(card: PaperCard) -> str:
    """The command that brings the dataset to this machine."""
    return f"backmapbench datasets fetch {card.name}" + ("" if card.default_source else " --from-folder PATH")
