"""The dataset catalogue: cards as validated TOML, and loading with every file's hash checked first."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import mdtraj
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backmapbench.datasets import codec
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import CardError, DataError, UnknownNameError
from backmapbench.files import sha256

ROOT = Path(str(files("backmapbench.datasets")))
CARDS = ROOT / "cards"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileEntry(_Strict):
    """One file of a dataset."""

    path: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int


class SplitEntry(FileEntry):
    """One split: a file of whole trajectories."""

    trajectories: int
    frames: int
    sources: list[int] = Field(description="trajectory numbers in the recipe's run; no two splits share one")


class ForceFieldEntry(_Strict):
    """OpenMM force-field files; ``simulated`` made the data, ``scored`` is what energies are evaluated with."""

    simulated: list[str]
    scored: list[str]


class DatasetCard(_Strict):
    """What a dataset is, where it comes from and what its files must hash to."""

    schema_version: Literal[1]
    name: str
    version: int
    title: str
    tier: Literal["embedded", "paper"]
    licence: str
    citation: str
    limits: str = Field(description="what the data are long enough for and what not")
    atoms: int
    temperature_K: float
    frame_ps: float | None
    frame_origin: str
    topology: FileEntry
    force_field: ForceFieldEntry
    splits: dict[str, SplitEntry]
    provenance: dict[str, Any]
    measured: dict[str, Any] = Field(default_factory=dict, description="figures printed by `datasets pack`")


@dataclass(frozen=True)
class Dataset:
    """A card with its files on disk. Splits are read and hash-checked when asked for."""

    card: DatasetCard
    folder: Path

    @functools.cached_property
    def topology_path(self) -> Path:
        """The PDB file that names atoms, residues and bonds; its hash is checked."""
        return _checked(self.folder, self.card.topology)

    @functools.cached_property
    def topology(self) -> mdtraj.Topology:
        """Atoms, residues and bonds."""
        return mdtraj.load_topology(str(self.topology_path))

    def split(self, name: str) -> Trajectories:
        """Trajectories of one split, after checking the file's hash, atom count and lengths.

        Raises UnknownNameError for a split the card does not have, DataError for a file that is not what the card says.
        """
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

    def verify(self) -> list[Path]:
        """Check the hash of every file; returns the files. Raises DataError at the first that is wrong."""
        return [_checked(self.folder, entry) for entry in (self.card.topology, *self.card.splits.values())]


def dataset_names() -> list[str]:
    """Names of all cards in the package."""
    return sorted(path.stem for path in CARDS.glob("*.toml"))


def read_card(path: Path) -> DatasetCard:
    """Read and validate one card. Raises CardError naming file, field and problem."""
    try:
        return DatasetCard.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise CardError(f"{path}: not valid TOML ({error}); correct the line") from error
    except ValidationError as error:
        raise CardError(f"{path}: {explain(error)}") from error


def load_dataset(name: str) -> Dataset:
    """The dataset called ``name``. Raises UnknownNameError with close names for one that does not exist."""
    if name not in dataset_names():
        raise UnknownNameError("dataset", name, dataset_names())
    card = read_card(CARDS / f"{name}.toml")
    return Dataset(card, ROOT / "embedded" / name)


def explain(error: ValidationError) -> str:
    """The first problems of a validation error on one line: field, value, what is expected."""
    problems = []
    for item in error.errors()[:3]:
        place = ".".join(str(part) for part in item["loc"])
        given = "" if isinstance(item["input"], dict) else f" (given {item['input']!r})"
        problems.append(f"{place}: {item['msg']}{given}")
    return "; ".join(problems)


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
