"""Beads as functions of residues: which C-alphas a bead sees, and how loosely."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from backmapbench.coarse_graining import CoarseMapping
from backmapbench.coarse_graining.particles import particle_indices
from backmapbench.errors import UnsupportedTaskError
from backmapbench.reference_models.chain_flow.axes import owners_of
from backmapbench.reference_models.chain_flow.prior import Conditional, covariance
from backmapbench.reference_models.chain_flow.settings import PriorSettings
from backmapbench.reference_models.internal_coordinates.layout import Layout
from backmapbench.submissions.protocol import System

NAME = "chain-flow"


@dataclass(frozen=True)
class Beads:
    """The beads of one molecule, or of a batch of them (leading axis).

    Attributes:
        operator: weight of each residue in each bead, rows summing to 1, (..., beads, residues).
        share: of each residue in each bead, rows summing to 1 where a residue is in any, (..., residues, beads).
        given: prior given the beads.
    """

    operator: Tensor
    share: Tensor
    given: Conditional

    @classmethod
    def of(cls, chain_covariance: Tensor, operator: Tensor, atoms: Tensor, offset_nm: float) -> Beads:
        """From weights of residues in beads; ``atoms`` (..., beads, residues) is the part of atoms other than CA."""
        noise = offset_nm * atoms.square().sum(-1).sqrt()
        total = operator.sum(-2, keepdim=True)
        share = (operator / torch.where(total > 0, total, torch.ones_like(total))).mT
        return cls(operator, share, Conditional.of(chain_covariance, operator, noise))


def in_alphas(system: System) -> System:
    """The same molecule with its C-alphas as beads; residues of several chains may have the same names."""
    alphas = particle_indices(system.topology, "ca").tolist()
    names = [f"CA-{number + 1}" for number in range(len(alphas))]
    mapping = CoarseMapping.from_groups([[index] for index in alphas], system.topology.n_atoms, names)
    return System(system.topology, mapping, system.temperature_K)


def layout_of(system: System) -> Layout:
    """Residues of a system whatever its beads. Raises UnsupportedTaskError for residues that cannot be placed."""
    return Layout.of(in_alphas(system))


def beads_of(system: System, layout: Layout, prior: PriorSettings) -> Beads:
    """The system's beads; an atom of a cap counts as one of the residue it is bonded to.

    Raises UnsupportedTaskError for a chain that no bead holds.
    """
    chain = layout.chains.chain[0]
    owner = owners_of(layout).numpy()
    weights = sparse.csr_array(system.mapping.weights)
    alphas = np.zeros(layout.size)
    alphas[particle_indices(system.topology, "ca")] = 1.0
    to_residue = sparse.csr_array((np.ones(layout.size), (np.arange(layout.size), owner)), (layout.size, len(chain)))
    operator = torch.from_numpy((weights @ to_residue).toarray())
    others = torch.from_numpy((weights @ sparse.diags_array(1.0 - alphas) @ to_residue).toarray())
    held = operator.abs().sum(0) > 0
    for number in sorted(set(chain.tolist())):
        if not bool(held[chain == number].any()):
            raise UnsupportedTaskError(f"{NAME}: no bead holds an atom of chain {number + 1}; give it one")
    return Beads.of(covariance(chain, prior), operator, others, prior.offset_nm)
