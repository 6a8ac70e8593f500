"""The dataset catalogue: cards as validated TOML, and loading with every file's hash checked first."""

from __future__ import annotations

import functools
import hashlib
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import mdtraj
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from backmapbench.datasets import codec
from backmapbench.datasets.download.cache import dataset_folder
from backmapbench.datasets.processed import Presence, Processed
from backmapbench.datasets.schema import CARD, DatasetCard, EmbeddedCard, FileEntry, PaperCard
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import CardError, DataError, UnknownNameError
from backmapbench.files import sha256

ROOT = Path(str(files("backmapbench.datasets")))
CARDS = ROOT / "cards"


@dataclass(frozen=True)
class Dataset:
    """A card with its files on disk. Splits are read when asked for, after their files were checked.

    Files of an embedded dataset are held against the card's hashes whenever they are read. Those of a published one are
    what `fetch` made of them: sizes are checked on reading, hashes by ``verify``.
    """

    card: DatasetCard
    folder: Path

    @functools.cached_property
    def topology_path(self) -> Path:
        """The PDB file that names atoms, residues and bonds; its hash is checked."""
        if isinstance(self.card, EmbeddedCard):
            return _checked(self.folder, self.card.topology)
        return Processed(self.card, self.folder).topology_path()

    @functools.cached_property
    def topology(self) -> mdtraj.Topology:
        """Atoms, residues and bonds."""
        return mdtraj.load_topology(str(self.topology_path))

    def split(self, name: str) -> Trajectories:
        """Trajectories of one split, after checking the file's hash, atom count and lengths.

        Raises UnknownNameError for a split the card does not have, DataError for a file that is not what the card says
        and for a published dataset that was not fetched.
        """
        if isinstance(self.card, PaperCard):
            return Processed(self.card, self.folder).split(name)
        if name not in self.card.splits:
            raise UnknownNameError(f"split of {self.card.name}", name, self.card.splits)
        entry = self.card.splits[name]
        path = _checked(self.folder, entry)
        data = codec.read(path)
        if data.positions.shape[1] != self.card.atoms or len(data) != entry.frames:
            raise DataError(
                f"{path}: holds {len(data)} frames of {data.positions.shape[1]} atoms, the card says "
                f"{entry.frames} of {self.card.atoms}; correct the card or the file"
            )
        return data

    def conditional(self, task: str) -> NDArray[np.float32]:
        """Samples at the held beads of ``task``, after checking the file: (samples, frames, atoms, 3), nm.

        Raises UnknownNameError for a task without samples, DataError for a file that is not what the card says.
        """
        entries = self.card.conditional if isinstance(self.card, EmbeddedCard) else {}
        if task not in entries:
            raise UnknownNameError(f"conditional samples of {self.card.name}", task, entries)
        entry = entries[task]
        path = _checked(self.folder, entry)
        data = codec.read(path)
        shape = (entry.samples, len(entry.frames), self.card.atoms, 3)
        if data.lengths != shape[1:2] * entry.samples or data.positions.shape[1:] != shape[2:]:
            raise DataError(
                f"{path}: does not hold {shape[0]} samples of {shape[1]} frames; correct the card or the file"
            )
        return data.positions.reshape(shape)

    def verify(self) -> list[Path]:
        """Check the hash of every file; returns the files. Raises DataError (DownloadError) at the first wrong one."""
        if isinstance(self.card, PaperCard):
            from backmapbench.datasets.download.dataset import raw_store

            processed = Processed(self.card, self.folder)
            store, items = raw_store(self.card, self.folder, processed.manifest.source)
            return [*(store.check(item) for item in items), *processed.verify()]
        return [_checked(self.folder, entry) for entry in _entries(self.card)]

    def presence(self) -> Presence:
        """Whether the data are on this machine, by their sizes."""
        if isinstance(self.card, PaperCard):
            return Processed(self.card, self.folder).presence()
        sized = [_size(self.folder / entry.path) == entry.bytes for entry in _entries(self.card)]
        return "present" if all(sized) else "partly" if any(sized) else "absent"

    @property
    def hashes(self) -> list[str]:
        """What any score depends on: SHA-256 of the files and, for a published dataset, of its split rules."""
        if isinstance(self.card, PaperCard):
            rules = "".join(f"{name}={entry.model_dump_json()}" for name, entry in self.card.variants.items())
            return [*Processed(self.card, self.folder).hashes, hashlib.sha256(rules.encode()).hexdigest()]
        return [entry.sha256 for entry in _entries(self.card)]


def dataset_names() -> list[str]:
    """Names of all cards in the package."""
    return sorted(path.stem for path in CARDS.glob("*.toml"))


def read_card(path: Path) -> DatasetCard:
    """Read and validate one card. Raises CardError naming file, field and problem."""
    try:
        return CARD.validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise CardError(f"{path}: not valid TOML ({error}); correct the line") from error
    except ValidationError as error:
        raise CardError(f"{path}: {explain(error)}") from error


def load_dataset(name: str) -> Dataset:
    """The dataset called ``name``. Raises UnknownNameError with close names for one that does not exist."""
    if name not in dataset_names():
        raise UnknownNameError("dataset", name, dataset_names())
    card = read_card(CARDS / f"{name}.toml")
    home = ROOT / "embedded" / name if isinstance(card, EmbeddedCard) else dataset_folder(card.name, card.version)
    return Dataset(card, home)


def explain(error: ValidationError) -> str:
    """The first problems of a validation error on one line: field, value, what is expected."""
    problems = []
    for item in error.errors()[:3]:
        place = ".".join(str(part) for part in item["loc"])
        given = "" if isinstance(item["input"], dict) else f" (given {item['input']!r})"
        problems.append(f"{place}: {item['msg']}{given}")
    return "; ".join(problems)


def _entries(card: EmbeddedCard) -> list[FileEntry]:
    return [card.topology, *card.splits.values(), *card.conditional.values()]


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _checked(folder: Path, entry: FileEntry) -> Path:
    path = folder / entry.path
    if not path.is_file():
        raise DataError(f"{path}: missing; reinstall the package or run `backmapbench datasets verify`")
    size = path.stat().st_size
    if size != entry.bytes:
        raise DataError(f"{path}: {size} bytes, the card says {entry.bytes}: truncated or altered; reinstall it")
    if sha256(path) != entry.sha256:
        raise DataError(f"{path}: SHA-256 differs from the card's: altered or corrupt; reinstall it")
    return path
