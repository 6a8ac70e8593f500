"""Training frames of any number of molecules: C-alphas, and centres of residues for their beads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from backmapbench.reference_models.chain_flow.beads import in_alphas
from backmapbench.reference_models.chain_flow.prior import covariance
from backmapbench.reference_models.chain_flow.settings import DataSettings, PriorSettings
from backmapbench.reference_models.internal_coordinates.data import Molecule, molecules
from backmapbench.reference_models.internal_coordinates.placing import CA
from backmapbench.reference_models.internal_coordinates.residues import NO_RESIDUE
from backmapbench.submissions.protocol import System, TrainingSet


@dataclass(frozen=True)
class Examples:
    """Frames of several molecules, padded to the longest.

    Attributes:
        types: of the molecules' residues, (molecules, residues).
        chain: number of the chain, -1 for padding, (molecules, residues).
        covariance: of the prior, double (molecules, residues, residues), nm^2.
        atoms: heavy atoms of each residue, (molecules, residues).
        molecule: of each frame, (frames,).
        ca: C-alphas, float32 (frames, residues, 3), nm; 0 for padding.
        centres: of each residue's heavy atoms, likewise.
    """

    types: Tensor
    chain: Tensor
    covariance: Tensor
    atoms: Tensor
    molecule: Tensor
    ca: Tensor
    centres: Tensor

    def __len__(self) -> int:
        return len(self.molecule)


def found_molecules(system: System, training: TrainingSet, names: Sequence[str]) -> list[Molecule]:
    """The task's own molecule and those of the datasets ``names``; only training and validation splits are read.

    Raises UnsupportedTaskError or DataError.
    """
    return molecules(in_alphas(system), training, names)


def examples_of(found: Sequence[Molecule], data: DataSettings, prior: PriorSettings, *, training: bool) -> Examples:
    """Up to ``data.examples`` frames of each molecule, those of few frames repeated in training."""
    longest = max(molecule.layout.chains.types.shape[1] for molecule in found)
    parts = [_padded(molecule, longest, prior) for molecule in found]
    types, chain, covariances, atoms = (torch.stack(column) for column in zip(*parts, strict=True))
    numbers, alphas, centres = [], [], []
    for number, molecule in enumerate(found):
        frames = molecule.train if training else molecule.validation
        wanted = min(data.examples, data.repeats * len(frames) if training else len(frames))
        frames = frames[np.linspace(0, len(frames), wanted, endpoint=False).astype(np.intp)]
        alphas.append(_filled(frames[..., CA, :], longest))
        centres.append(_filled(frames.nanmean(-2), longest))
        numbers.append(torch.full((wanted,), number))
    return Examples(types, chain, covariances, atoms, torch.cat(numbers), torch.cat(alphas), torch.cat(centres))


def _padded(molecule: Molecule, residues: int, prior: PriorSettings) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    chains = molecule.layout.chains.padded(residues)
    chain, types = chains.chain[0], chains.types[0]
    heavy = (~molecule.train[:1, :, :, 0].isnan()).sum(-1)[0].double()
    atoms = torch.zeros(residues, dtype=torch.float64)
    atoms[: len(heavy)] = heavy
    return torch.where(chain >= 0, types, NO_RESIDUE), chain, covariance(chain, prior), atoms


def _filled(values: Tensor, residues: int) -> Tensor:
    """Positions (frames, own residues, 3) with rows of 0 up to ``residues``."""
    shape = (len(values), residues - values.shape[1], 3)
    return torch.cat([values, torch.zeros(shape, dtype=values.dtype)], dim=1).float()
