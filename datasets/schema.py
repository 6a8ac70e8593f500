"""Schema of dataset cards (version 1): embedded ones, whose files ship, and those of data that others published."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from backmapbench.datasets.splits import Variant

SCHEMES = ("http", "https", "ftp")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or "\\" in path or ".." in parts or re.match(r"^[A-Za-z]:", path):
        raise ValueError("must be a relative path with forward slashes that stays inside its folder")
    return path


def check_address(address: str) -> str:
    """The address unchanged. Raises ValueError unless it is an http, https or ftp address with a host."""
    split = urlsplit(address)
    if split.scheme not in SCHEMES or not split.hostname:
        raise ValueError(f"must begin with one of {', '.join(f'{scheme}://' for scheme in SCHEMES)} and name a host")
    return address


RelativePath = Annotated[str, AfterValidator(_inside)]
Address = Annotated[str, AfterValidator(check_address)]
Hash = Annotated[str, Field(pattern=r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$")]
Text = Annotated[str, Field(min_length=1)]


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
    """``simulated`` made the data (OpenMM files, or names where there are none); ``scored``: OpenMM files for energies.

    An empty ``scored`` means that no energy can be evaluated: the frames lack hydrogens.
    """

    simulated: list[str]
    scored: list[str]


class _Card(_Strict):
    """What every card says."""

    schema_version: Literal[1]
    name: str
    version: int
    title: str
    licence: str
    citation: str
    limits: str = Field(description="what the data are long enough for and what not")
    atoms: int
    temperature_K: float
    frame_ps: float | None = Field(default=None, description="absent: frames without a time")
    frame_origin: str
    force_field: ForceFieldEntry


class ConditionalEntry(FileEntry):
    """Samples drawn at the held beads of one task: a file of as many trajectories as samples, of the frames listed."""

    split: str
    samples: int = Field(ge=8)
    frames: list[int] = Field(min_length=2, description="indices in the split, ascending")
    measured: dict[str, Any] = Field(description="figures printed by `datasets pack-held`")
    provenance: dict[str, Any]


class EmbeddedCard(_Card):
    """A dataset that ships with the package: where it comes from and what its files must hash to."""

    tier: Literal["embedded"]
    topology: FileEntry
    splits: dict[str, SplitEntry]
    conditional: dict[str, ConditionalEntry] = Field(default={}, description="by task, as beads differ between tasks")
    provenance: dict[str, Any]
    measured: dict[str, Any] = Field(default_factory=dict, description="figures printed by `datasets pack`")


class SourceFile(_Strict):
    """One published file. ``urls`` are whole addresses, tried before each mirror's base followed by ``path``."""

    path: RelativePath
    urls: list[Address] = []
    bytes: int | None = Field(default=None, ge=0, description="exact size, where published")
    about_bytes: int | None = Field(default=None, ge=0, description="rough size, for the check of disk space")
    checksum: Hash | None = Field(default=None, description="as published; without one the first download is trusted")
    archive: Literal["tar.gz", "zip"] | None = None
    about_unpacked_bytes: int | None = Field(default=None, ge=0)
    optional: bool = Field(default=False, description="not needed for the splits; fetched when asked for")
    note: str = ""


class Layout(_Strict):
    """Where topology and trajectories lie: glob patterns, tried in order; the first that matches any file counts."""

    topology: list[RelativePath] = []
    trajectories: list[RelativePath] = Field(min_length=1)


class Source(_Strict):
    """One published (or private) copy of the data. ``local``: nothing can be downloaded, only taken from a folder."""

    title: Text
    access: Literal["download", "local"]
    reason: str = Field(default="", description="why this source is fetched by default, or why only from a folder")
    licence: Text
    doi: str | None = None
    mirrors: list[Address] = []
    files: list[SourceFile] = []
    layout: Layout
    units: Text
    array_unit: Literal["nm", "angstrom"] | None = Field(default=None, description="of npy and npz files")
    trajectories: int | None = Field(default=None, ge=1, description="how many there must be")
    frames: int | None = Field(default=None, ge=1, description="how many there must be, over all trajectories")
    frame_ps: float | None = None

    @model_validator(mode="after")
    def _reachable(self) -> Source:
        if self.access == "local" and not self.reason:
            raise ValueError("a source with access 'local' needs a reason")
        wanted = [entry for entry in self.files if not entry.optional]
        if self.access == "download" and not wanted:
            raise ValueError("a source with access 'download' needs files that are not optional")
        for entry in self.files if self.access == "download" else []:
            if not addresses(self, entry):
                raise ValueError(f"file '{entry.path}' has neither an address nor a mirror")
        return self


class Selection(_Strict):
    """Which atoms are kept: of a sequence of residues, or (without one) of the source's own topology."""

    residues: list[str] = Field(default=[], description="three-letter names; all atoms are then known by name")
    first_number: int = Field(default=1, description="number of the first residue")
    carboxyl_end: bool = Field(default=False, description="whether the last residue has OXT")
    hydrogens: bool
    residue_count: int = Field(ge=1)
    note: str = ""


class BeadsEntry(_Strict):
    """A coarse-graining protocol of the literature, as a fact: tasks define their own mappings."""

    count: int = Field(ge=1)
    kind: Literal["slice", "autograin"]
    atoms: list[str] = Field(default=[], description="labels, one per bead")
    published_indices: list[int] = Field(default=[], description="0-based indices in the authors' atom order")
    residues_per_bead: float | None = None
    note: str = ""


class KineticsEntry(_Strict):
    """How the literature estimates kinetics on these data."""

    features: Text
    fitted_on: Text
    dimensions: int | None = None
    states: int = Field(ge=2)
    lag_ps: float = Field(gt=0)
    lag_frames: int = Field(ge=1)


class PaperCard(_Card):
    """A dataset that others published: every known copy, how it is cut into splits, and what is not known."""

    tier: Literal["paper"]
    selection: Selection
    simulation: dict[str, str | int | float | bool]
    beads: dict[str, BeadsEntry]
    kinetics: KineticsEntry | None = None
    generalisation: dict[str, str | int | float] = {}
    default_source: str | None = Field(
        default=None, description="what `fetch` downloads; absent: nothing can be downloaded"
    )
    sources: dict[str, Source] = Field(min_length=1)
    default_variant: str
    variants: dict[str, Variant] = Field(min_length=1)
    unknown: list[Text] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> PaperCard:
        open_ones = [name for name, source in self.sources.items() if source.access == "download"]
        if self.default_source is not None and self.default_source not in open_ones:
            raise ValueError(f"default_source must be one of the sources to download: {', '.join(open_ones) or 'none'}")
        if self.default_source is None and open_ones:
            raise ValueError(f"default_source is missing; name one of {', '.join(open_ones)}")
        if self.default_variant not in self.variants:
            raise ValueError(f"default_variant must be one of {', '.join(self.variants)}")
        residues = self.selection.residues
        if residues and len(residues) != self.selection.residue_count:
            raise ValueError(f"selection lists {len(residues)} residues and counts {self.selection.residue_count}")
        return self

    @property
    def splits(self) -> dict[str, str]:
        """Variant of each split by the split's name: plain in the default variant, else ``variant-split``."""
        found = dict.fromkeys(self.variants[self.default_variant].names, self.default_variant)
        for variant, entry in self.variants.items():
            if variant != self.default_variant:
                found |= {f"{variant}-{name}": variant for name in entry.names}
        return found

    def split_in_variant(self, split: str) -> str:
        """Name of a split within its variant. Raises KeyError for a split that the card does not have."""
        variant = self.splits[split]
        return split if variant == self.default_variant else split.removeprefix(f"{variant}-")


DatasetCard = EmbeddedCard | PaperCard
CARD: TypeAdapter[EmbeddedCard | PaperCard] = TypeAdapter(
    Annotated[EmbeddedCard | PaperCard, Field(discriminator="tier")]
)


def addresses(source: Source, entry: SourceFile, extra: list[str] | None = None) -> list[str]:
    """Where to try for a file, in order: mirrors the user gives, whole addresses, then the source's mirrors."""
    bases = [f"{base.rstrip('/')}/{entry.path}" for base in extra or []]
    known = [f"{base.rstrip('/')}/{entry.path}" for base in source.mirrors]
    return list(dict.fromkeys([*bases, *entry.urls, *known]))
