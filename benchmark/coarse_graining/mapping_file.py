"""Mappings as data: a TOML file that names particles, says in which bead each is, and where the beads come from.

A file is refused unless it is a partition: every particle in one bead, no bead empty.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import mdtraj
import numpy as np
import tomli_w
from numpy.typing import NDArray
from pydantic import Field, StringConstraints, ValidationError, model_validator

from backmapbench.coarse_graining.learning import LearnedBeads, Method
from backmapbench.coarse_graining.mapping import CoarseMapping
from backmapbench.coarse_graining.particles import (
    Atoms,
    Particles,
    atoms_of_residues,
    particle_indices,
    residue_beads,
)
from backmapbench.coarse_graining.provenance import Fit, Origin, Source, Strict
from backmapbench.coarse_graining.selection import atom_indices, atom_label
from backmapbench.errors import CardError, DataError
from backmapbench.files import atomic_write

Label = Annotated[str, StringConstraints(pattern=r"^[^\s:]+:[^\s:]+$")]


class MappingFile(Strict):
    """A mapping with its provenance. Beads are plain means of their particles.

    ``atoms`` are labels in the order of the topology learned on; ``bead_of_atom`` is the number (from 0) in
    ``bead_names`` of each. The objective is that of the frames of ``source``.
    """

    schema_version: Literal[1]
    method: Method
    particles: Particles
    seed: int = Field(ge=0)
    bead_names: list[str] = Field(min_length=1)
    atoms: list[Label] = Field(min_length=1)
    bead_of_atom: list[int]
    source: Source
    objective: Fit
    provenance: Origin
    settings: dict[str, Any] = Field(default={}, description="of the method, as it was called")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
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

    @classmethod
    def of(cls, learned: LearnedBeads, source: Source, provenance: Origin) -> Self:
        """What to store of ``learned``, from the frames of ``source``."""
        return cls(
            schema_version=1,
            method=learned.method,
            particles=learned.particles,
            seed=learned.seed,
            bead_names=list(learned.names),
            atoms=list(learned.labels),
            bead_of_atom=learned.assignment.tolist(),
            source=source,
            objective=Fit.of(learned.objective),
            provenance=provenance,
            settings=learned.settings,
        )

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

    @property
    def runs(self) -> list[int]:
        """Stretches of neighbouring particles that each bead consists of; 1 for a contiguous bead."""
        labels = self.assignment
        starts = np.flatnonzero(np.diff(labels, prepend=-1))
        return [int(count) for count in np.bincount(labels[starts], minlength=len(self.bead_names))]

    @property
    def on_particles(self) -> CoarseMapping:
        """The beads on the particles, in the order of ``atoms``: the second of two steps, after atoms to particles."""
        groups = [np.flatnonzero(self.assignment == bead).tolist() for bead in range(len(self.bead_names))]
        return CoarseMapping.from_groups(groups, len(self.atoms), self.bead_names)

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
        """Beads at the plain mean of all (or all heavy) atoms of their residues.

        Raises CardError as ``atom_groups``.
        """
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
            tomli_w.dump(content.model_dump(exclude_none=True), handle)
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
