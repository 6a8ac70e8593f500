"""Levels that a chain of backmappers passes through: C-alphas, residues, runs of residues, with beads carried along."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

import mdtraj
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from backmapbench.coarse_graining import CoarseMapping, ca
from backmapbench.coarse_graining.particles import particle_indices
from backmapbench.errors import SubmissionError
from backmapbench.reference_models.bead_centre.model import bead_of_atom
from backmapbench.reference_models.composition import Level
from backmapbench.submissions.protocol import System


class _Run(NamedTuple):
    """Neighbouring residues, and their heavy atoms that belong to one bead."""

    residues: list[mdtraj.core.topology.Residue]
    atoms: list[int]


def ca_level(system: System) -> Level:
    """The C-alphas of the molecule."""
    mapping = ca(system.topology)
    residues = [system.topology.atom(int(index)).residue for index in mapping.slice_atoms]
    return Level("CA", _chain(residues, "CA"), mapping)


def residue_level(system: System) -> Level:
    """The centre of every residue's heavy atoms."""
    return _runs(system, 1, "residues")


def run_level(system: System, residues: int) -> Level:
    """Centres of heavy atoms of runs of at most ``residues`` neighbouring residues of one chain and one bead."""
    return _runs(system, residues, f"runs of {residues} residues")


def carrying(level: Level, system: System) -> Level:
    """``level`` with the system's beads beside its particles, as virtual sites.

    So a level that the beads are no function of (C-alphas, where beads are centres of all heavy atoms) can stand in a
    chain without a change of the beads, which are copied. Bonds join every particle to the bead it belongs to.
    """
    topology = level.topology.copy()
    owner = bead_of_atom(system.topology, system.mapping)
    chain = topology.add_chain()
    sites = []
    for number, name in enumerate(system.mapping.bead_names):
        residue = topology.add_residue("BEA", chain, resSeq=number + 1)
        sites.append(topology.add_atom(f"B{number + 1}", mdtraj.element.virtual_site, residue))
        if name in level.mapping.bead_names:
            raise SubmissionError(f"multistep: '{level.name}' has a particle called '{name}', as a bead is; rename it")
    for particle, bead in zip(list(topology.atoms)[: level.mapping.beads], _owners(level, owner), strict=True):
        topology.add_bond(particle, sites[bead])
    joined = sparse.vstack([level.mapping.weights, system.mapping.weights])
    names = (*level.mapping.bead_names, *system.mapping.bead_names)
    return Level(f"{level.name} and beads", topology, CoarseMapping(sparse.csr_array(joined), names))


def _runs(system: System, longest: int, name: str) -> Level:
    topology = system.topology
    bead = bead_of_atom(topology, system.mapping)
    parts: dict[tuple[int, int], list[int]] = {}  # heavy atoms by (bead, residue): a residue may lie in two beads
    for index in particle_indices(topology, "heavy"):
        parts.setdefault((int(bead[index]), topology.atom(int(index)).residue.index), []).append(int(index))
    runs: list[_Run] = []
    latest: dict[int, _Run] = {}  # of each bead
    for (owner, number), atoms in sorted(parts.items(), key=lambda item: item[0][1]):
        residue = topology.residue(number)
        run = latest.get(owner)
        if run is None or len(run.residues) == longest or not _follows(residue, run.residues[-1]):
            run = latest[owner] = _Run([], [])
            runs.append(run)
        run.residues.append(residue)
        run.atoms.extend(atoms)
    leaders = [run.residues[0] for run in runs]
    names = [f"{leader}-{number + 1}" for number, leader in enumerate(leaders)]
    mapping = CoarseMapping.from_groups([run.atoms for run in runs], topology.n_atoms, names)
    return Level(name, _chain(leaders, "RC"), mapping)


def _follows(residue: mdtraj.core.topology.Residue, before: mdtraj.core.topology.Residue) -> bool:
    return bool(residue.index == before.index + 1 and residue.chain.index == before.chain.index)


def _chain(residues: Iterable[mdtraj.core.topology.Residue], name: str) -> mdtraj.Topology:
    """One carbon per residue, bonded along each chain: bonds between such particles are not chemical ones."""
    topology = mdtraj.Topology()
    chains: dict[int, mdtraj.core.topology.Chain] = {}
    before: dict[int, mdtraj.core.topology.Atom] = {}
    numbers: set[tuple[int, int]] = set()
    for residue in residues:
        owner = residue.chain.index
        if owner not in chains:
            chains[owner] = topology.add_chain()
        number = residue.resSeq
        while (owner, number) in numbers:
            number += 1
        numbers.add((owner, number))
        copy = topology.add_residue(residue.name, chains[owner], resSeq=number)
        atom = topology.add_atom(name, mdtraj.element.carbon, copy)
        if owner in before:
            topology.add_bond(before[owner], atom)
        before[owner] = atom
    return topology


def _owners(level: Level, owner: NDArray[np.intp]) -> NDArray[np.intp]:
    """Bead of each particle: that of the atom with the largest weight in it."""
    weights = level.mapping.weights
    parts = [slice(first, last) for first, last in pairwise(weights.indptr)]
    return np.array([owner[weights.indices[part][weights.data[part].argmax()]] for part in parts], dtype=np.intp)
