"""Mappings as data: a TOML file that names particles, says in which bead each is, and where the beads come from."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import mdtraj
import numpy as np
import tomli_w
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from backmapbench.coarse_graining.learning import Method
from backmapbench.coarse_graining.mapping import CoarseMapping
from backmapbench.coarse_graining.particles import (
    Atoms,
    Particles,
    atoms_of_residues,
    particle_indices,
    residue_beads,
)
from backmapbench.coarse_graining.selection import atom_indices, atom_label
from backmapbench.errors import CardError, DataError
from backmapbench.files import atomic_write

Label = Annotated[str, StringConstraints(pattern=r"^[^\s:]+:[^\s:]+$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Source(_Strict):
    """The frames that the beads were learned from."""

    name: str
    version: int
    split: str
    frames: int = Field(ge=1)
    sha256: dict[str, Sha256] = Field(min_length=1, description="hashes of the files, by role or path")


class Fit(_Strict):
    """The objective on all of these frames, nm^2: reconstruction + ``lift_weight`` x lift."""

    reconstruction_nm2: float = Field(ge=0)
    lift_nm2: float = Field(ge=0)
    lift_weight: float = Field(gt=0)
    total_nm2: float = Field(ge=0)


class Origin(_Strict):
    """How the file was made."""

    command: str
    wall_seconds: float = Field(ge=0)
    versions: dict[str, str]


class MappingFile(_Strict):
    """A mapping with its provenance. Beads are plain means of their particles.

    ``atoms`` are labels in the order of the topology learned on; ``bead_of_atom`` is the number (from 0) in
    ``bead_names`` of each.
    """

    schema_version: Literal[1]
    method: Method
    particles: Particles
    seed: int = Field(ge=0)
    bead_names: list[str] = Field(min_length=1)
    atoms: list[Label] = Field(min_length=1)
    bead_of_atom: list[int]
    dataset: Source
    objective: Fit
    provenance: Origin
    settings: dict[str, Any]

    @model_validator(mode="after")
    def _consistent(self) -> MappingFile:
        if len(set(self.atoms)) != len(self.atoms):
            twice = next(label for label in self.atoms if self.atoms.count(label) > 1)
            raise ValueError(f"atom '{twice}' is listed twice")
        if len(set(self.bead_names)) != len(self.bead_names):
            raise ValueError("bead_names must differ from each other")
        if len(self.bead_of_atom) != len(self.atoms):
            raise ValueError(f"bead_of_atom has {len(self.bead_of_atom)} entries for {len(self.atoms)} atoms")
        wrong = set(self.bead_of_atom) - set(range(len(self.bead_names)))
        if wrong:
            raise ValueError(f"bead_of_atom has {min(wrong)}; there are beads 0 to {len(self.bead_names) - 1}")
        empty = set(range(len(self.bead_names))) - set(self.bead_of_atom)
        if empty:
            raise ValueError(f"bead '{self.bead_names[min(empty)]}' has no atoms")
        return self

    @property
    def assignment(self) -> NDArray[np.intp]:
        """Bead of each particle, (particles,)."""
        return np.array(self.bead_of_atom, dtype=np.intp)

    @property
    def groups(self) -> list[list[str]]:
        """Atom labels of each bead."""
        groups: list[list[str]] = [[] for _ in self.bead_names]
        for label, bead in zip(self.atoms, self.bead_of_atom, strict=True):
            groups[bead].append(label)
        return groups

    def mapping(self, topology: mdtraj.Topology) -> CoarseMapping:
        """The beads on the atoms of ``topology``, found by name.

        Raises CardError for an atom that the topology lacks, or a particle of its that the file does not name.
        """
        self._check_covers(topology)
        groups = [atom_indices(topology, labels) for labels in self.groups]
        return CoarseMapping.from_groups(groups, topology.n_atoms, self.bead_names)

    def atom_groups(self, topology: mdtraj.Topology, atoms: Atoms = "heavy") -> list[list[int]]:
        """Indices of all (or all heavy) atoms that belong to each bead, residue by residue.

        For beads of whole residues, as those of C-alphas: an atom belongs where its residue's particles are, and caps
        join their neighbour. Raises CardError when a residue is split between beads, and as ``mapping``.
        """
        self._check_covers(topology)
        groups = [atom_indices(topology, labels) for labels in self.groups]
        return atoms_of_residues(topology, residue_beads(topology, groups), atoms)

    def extended(self, topology: mdtraj.Topology, atoms: Atoms = "heavy") -> CoarseMapping:
        """Beads at the plain mean of all (or all heavy) atoms of their residues. Raises CardError as ``atom_groups``."""
        return CoarseMapping.from_groups(self.atom_groups(topology, atoms), topology.n_atoms, self.bead_names)

    def _check_covers(self, topology: mdtraj.Topology) -> None:
        named = set(self.atoms)
        present = (atom_label(topology.atom(int(index))) for index in particle_indices(topology, self.particles))
        extra = [label for label in present if label not in named]
        if extra:
            raise CardError(
                f"no bead for {len(extra)} particles of kind '{self.particles}' of the topology, the first "
                f"'{extra[0]}'; learn the mapping on this molecule"
            )


def write_mapping(path: Path, content: MappingFile) -> None:
    """Write ``content`` as TOML, whole or not at all. Raises DataError when the place cannot be written to."""
    try:
        with atomic_write(path) as handle:
            tomli_w.dump(content.model_dump(), handle)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}); give another place") from error


def read_mapping(path: Path) -> MappingFile:
    """Read and validate a mapping file. Raises CardError naming file, field and problem."""
    try:
        return MappingFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise CardError(f"{path}: cannot be read ({error.strerror}); give the path of a mapping file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CardError(f"{path}: not valid TOML ({error}); correct the line") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise CardError(f"{path}: {place + ': ' if place else ''}{first['msg']}; correct the file") from error


def mapping_from_file(path: Path, topology: mdtraj.Topology) -> CoarseMapping:
    """The mapping stored at ``path`` on the atoms of ``topology``, matched by name.

    Raises CardError naming the file for one that cannot be read or does not fit the topology.
    """
    content = read_mapping(path)
    try:
        return content.mapping(topology)
    except CardError as error:
        raise CardError(f"{path}: {error}") from error
