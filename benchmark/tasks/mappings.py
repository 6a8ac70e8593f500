"""From a task card's [mapping] table to a CoarseMapping."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import mdtraj
import numpy as np
from numpy.typing import NDArray

from backmapbench.coarse_graining import CoarseMapping, atom_slice, centre_of_geometry, centre_of_mass
from backmapbench.coarse_graining.grouping import contiguous
from backmapbench.coarse_graining.learning import learn
from backmapbench.coarse_graining.mapping_file import read_mapping
from backmapbench.coarse_graining.particles import (
    atoms_of_residues,
    bead_names,
    ca,
    particle_indices,
    residue_beads,
)
from backmapbench.tasks.card import MappingEntry


def build_mapping(
    entry: MappingEntry, topology: mdtraj.Topology, folder: Path, training: Callable[[], NDArray[np.float32]]
) -> CoarseMapping:
    """The mapping of ``entry`` on ``topology``; files are looked for in ``folder``, that of the card.

    ``training`` gives atoms (frames, atoms, 3), nm, of the train split: asked for by AutoGrain alone, which learns on
    their CA with its default settings and the entry's seed, so that the same card has the same beads everywhere.

    Raises CardError for names that the topology lacks or a file that is no mapping, DataError for a number of beads
    that cannot be had.
    """
    match entry.kind:
        case "slice":
            return atom_slice(topology, entry.atoms or [])
        case "ca":
            return ca(topology)
        case "file":
            return _stored(entry, topology, folder)
        case "contiguous":
            heavy = particle_indices(topology, "heavy")
            assignment = contiguous(topology, heavy, entry.beads or 1)
            return _beads(topology, [heavy[assignment == bead].tolist() for bead in range(assignment.max() + 1)])
        case "autograin":
            return _learned(entry, topology, training())
        case "centre_of_geometry" | "centre_of_mass":
            groups = entry.groups or {}
            build = centre_of_geometry if entry.kind == "centre_of_geometry" else centre_of_mass
            return build(topology, list(groups.values()), list(groups))


def _stored(entry: MappingEntry, topology: mdtraj.Topology, folder: Path) -> CoarseMapping:
    stored = read_mapping(folder / (entry.path or ""))
    widened = entry.whole_residues and stored.particles == "ca"
    return stored.extended(topology) if widened else stored.mapping(topology)


def _learned(entry: MappingEntry, topology: mdtraj.Topology, frames: NDArray[np.float32]) -> CoarseMapping:
    mapping = learn(topology, frames, entry.beads or 1, particles="ca", seed=entry.seed or 0).mapping
    if not entry.whole_residues:
        return mapping
    traces = [np.flatnonzero(row).tolist() for row in mapping.weights.toarray()]
    return _beads(topology, atoms_of_residues(topology, residue_beads(topology, traces)))


def _beads(topology: mdtraj.Topology, groups: list[list[int]]) -> CoarseMapping:
    """Centres of geometry of groups of atoms."""
    return CoarseMapping.from_groups(groups, topology.n_atoms, bead_names(topology, groups))
