"""Levels of resolution, and chains of steps between them whose mappings are checked to compose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import mdtraj
import numpy as np
from scipy import sparse

from backmapbench.coarse_graining import CoarseMapping
from backmapbench.errors import SubmissionError
from backmapbench.submissions.protocol import System

EXACT = 1e-8  # largest weight left over when a level is written as a function of a finer one
COMPOSED = 1e-6  # largest difference of a weight between all steps together and the task's mapping


@dataclass(frozen=True)
class Level:
    """Particles between beads and atoms.

    Attributes:
        name: what they are.
        topology: the particles as atoms, in residues, with bonds along the chain.
        mapping: from the molecule's atoms to the particles.
    """

    name: str
    topology: mdtraj.Topology
    mapping: CoarseMapping


@dataclass(frozen=True)
class Chain:
    """A task's molecule cut into steps, coarse to fine.

    Attributes:
        names: of the level that each step generates; the last is ``atoms``.
        steps: the particles that each step generates as topology, and their mapping to those it is given.
        mappings: from the atoms to the particles that each step generates.
    """

    names: tuple[str, ...]
    steps: tuple[System, ...]
    mappings: tuple[CoarseMapping, ...]

    @classmethod
    def of(cls, system: System, levels: Sequence[Level]) -> Chain:
        """The chain through ``levels``, coarse to fine.

        Raises SubmissionError when a coarser level is no function of the finer one, or all steps together do not give
        the task's beads.
        """
        identity = CoarseMapping.from_groups(
            [[atom] for atom in range(system.mapping.atoms)],
            system.mapping.atoms,
            [str(atom) for atom in system.topology.atoms],
        )
        finest = Level("atoms", system.topology, identity)
        given = Level("beads", system.topology, system.mapping)
        walk = [given, *levels, finest]
        steps = tuple(
            System(finer.topology, step_mapping(coarser, finer), system.temperature_K)
            for coarser, finer in pairwise(walk)
        )
        chain = cls(tuple(level.name for level in walk[1:]), steps, tuple(level.mapping for level in walk[1:]))
        difference = abs(chain.composed().weights - system.mapping.weights)
        if difference.nnz and difference.max() > COMPOSED:
            raise SubmissionError(
                f"multistep: the steps together differ from the task's mapping by a weight of {difference.max():.3g}; "
                "choose levels that the beads are functions of"
            )
        return chain

    def composed(self) -> CoarseMapping:
        """All steps' mappings one after the other: from atoms to beads."""
        mapping = self.steps[-1].mapping
        for step in reversed(self.steps[:-1]):
            mapping = step.mapping.after(mapping)
        return mapping


def step_mapping(coarser: Level, finer: Level) -> CoarseMapping:
    """The mapping M from ``finer`` to ``coarser`` particles: M after ``finer.mapping`` is ``coarser.mapping``.

    Raises SubmissionError when there is none: the coarser particles are no function of the finer.
    """
    fine, coarse = finer.mapping.weights, coarser.mapping.weights
    matrix = _selection(fine, coarse)
    if matrix is None:
        matrix = _least_squares(fine, coarse)
    left = abs(matrix @ fine - coarse)
    if left.nnz and left.max() > EXACT:
        raise SubmissionError(
            f"multistep: '{coarser.name}' is no function of '{finer.name}' (a weight of {left.max():.3g} is left "
            "over), so their mappings do not compose; choose another level, or let it carry the beads"
        )
    return CoarseMapping(matrix, coarser.mapping.bead_names)


def _selection(fine: sparse.csr_array, coarse: sparse.csr_array) -> sparse.csr_array | None:
    """Picks of finer particles, where every coarser one is one of them."""
    rows = {_key(fine, row): row for row in range(fine.shape[0])}
    picks = [rows.get(_key(coarse, row)) for row in range(coarse.shape[0])]
    if any(pick is None for pick in picks):
        return None
    return sparse.csr_array(
        (np.ones(len(picks)), (np.arange(len(picks)), picks)), shape=(coarse.shape[0], fine.shape[0])
    )


def _least_squares(fine: sparse.csr_array, coarse: sparse.csr_array) -> sparse.csr_array:
    """M with the smallest M fine - coarse; by division where no two finer particles share an atom."""
    gram, product = sparse.csr_array(fine @ fine.T), sparse.csr_array(coarse @ fine.T)
    if gram.nnz == gram.shape[0]:
        return sparse.csr_array(product @ sparse.diags_array(1.0 / gram.diagonal()))
    solved = np.linalg.lstsq(gram.toarray(), product.toarray().T, rcond=None)[0].T
    solved[np.abs(solved) < EXACT] = 0.0
    return sparse.csr_array(solved)


def _key(matrix: sparse.csr_array, row: int) -> tuple[tuple[int, ...], tuple[float, ...]]:
    part = slice(matrix.indptr[row], matrix.indptr[row + 1])
    order = np.argsort(matrix.indices[part])
    return tuple(matrix.indices[part][order].tolist()), tuple(np.round(matrix.data[part][order], 9).tolist())
