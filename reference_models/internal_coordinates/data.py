"""Training frames of any number of molecules, as residues with slots."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backmapbench.coarse_graining import ca
from backmapbench.datasets.catalogue import load_dataset
from backmapbench.reference_models.internal_coordinates.layout import Chainwise, Layout
from backmapbench.reference_models.internal_coordinates.measuring import internals_of, torsions_of
from backmapbench.reference_models.internal_coordinates.residues import AMINO_ACIDS, NO_RESIDUE, SLOTS
from backmapbench.reference_models.internal_coordinates.tables import WIDTH, Tables
from backmapbench.submissions.protocol import System, TrainingSet

MOST_REPEATS = 3  # of a molecule's frames in a pass: more of a few frames are learned by heart


@dataclass(frozen=True)
class Examples:
    """Frames of several molecules, padded to the longest.

    Attributes:
        chains: of the molecules.
        molecule: of each frame, (frames,).
        atoms: float32 (frames, residues, SLOTS, 3), nm; NaN where a residue has no such atom.
        internals: float32 (frames, residues, WIDTH), see ``tables``; means where nothing can be measured.
        torsions: float32 (frames, residues, TORSIONS) of chain ends and chis; NaN where there is none.
    """

    chains: Chainwise
    molecule: Tensor
    atoms: Tensor
    internals: Tensor
    torsions: Tensor

    def __len__(self) -> int:
        return len(self.molecule)


@dataclass(frozen=True)
class Molecule:
    """A layout with its frames: float64 (frames, residues, SLOTS, 3), nm."""

    layout: Layout
    train: Tensor
    validation: Tensor

    @property
    def described(self) -> str:
        """Training frames and residues, in words."""
        types = self.layout.chains.types[0].tolist()
        residues = "-".join(AMINO_ACIDS[kind].capitalize() for kind in types if kind != NO_RESIDUE)
        return f"{len(self.train)} frames of {residues}"


def molecules(system: System, training: TrainingSet, names: Sequence[str]) -> list[Molecule]:
    """The task's own, and those of the datasets ``names`` that are not the task's.

    Only training and validation splits are read. Raises UnsupportedTaskError or DataError.
    """
    given = [(system, training.train.positions, training.validation.positions)]
    for name in names:
        dataset = load_dataset(name)
        if dataset.topology == system.topology:
            continue
        other = System(dataset.topology, ca(dataset.topology), dataset.card.temperature_K)
        given.append((other, dataset.split("train").positions, dataset.split("validation").positions))
    found = []
    for one, train, validation in given:
        layout = Layout.of(one, hydrogens=True)
        found.append(Molecule(layout, residues_of(layout, train), residues_of(layout, validation)))
    return found


def residues_of(layout: Layout, positions: NDArray[np.floating]) -> Tensor:
    """Atoms (frames, atoms, 3) by residue and slot; NaN where a residue has no such atom."""
    shape = (len(positions), layout.chains.types.shape[1], SLOTS, 3)
    found = torch.full(shape, math.nan, dtype=torch.float64)
    atoms = np.flatnonzero(layout.residue >= 0)
    placed = torch.from_numpy(np.asarray(positions[:, atoms], dtype=np.float64))
    found[:, layout.residue[atoms], layout.slot[atoms]] = placed
    return found


def tables_of(found: Sequence[Molecule]) -> Tables:
    """Bond lengths, angles and constant torsions of the training frames."""
    types, columns = [], []
    for molecule in found:
        measured = internals_of(molecule.train, molecule.layout.chains)
        types.append(molecule.layout.chains.types.expand(measured.shape[:2]).reshape(-1))
        columns.append(measured.reshape(-1, WIDTH))
    return Tables.measured(torch.cat(types), torch.cat(columns))


def examples_of(found: Sequence[Molecule], tables: Tables, count: int, *, training: bool) -> Examples:
    """``count`` frames of each molecule, or as many as it has, in training up to MOST_REPEATS times."""
    longest = max(molecule.layout.chains.types.shape[1] for molecule in found)
    chains = [molecule.layout.chains.padded(longest) for molecule in found]
    stacked = Chainwise(*(torch.cat([getattr(one, name) for one in chains]) for name in Chainwise.__dataclass_fields__))
    numbers, atoms, internals, torsions = [], [], [], []
    for number, molecule in enumerate(found):
        frames = molecule.train if training else molecule.validation
        wanted = min(count, MOST_REPEATS * len(frames) if training else len(frames))
        frames = frames[np.linspace(0, len(frames), wanted, endpoint=False).astype(np.intp)]
        atoms.append(_padded(frames, longest, math.nan))
        own = internals_of(frames, molecule.layout.chains)
        mean = tables.draw(molecule.layout.chains.types, 0.0).values.expand(own.shape)
        internals.append(_padded(torch.where(own.isnan(), mean, own), longest, 0.1))
        torsions.append(_padded(torsions_of(frames, molecule.layout.chains), longest, math.nan))
        numbers.append(torch.full((len(frames),), number))
    parts = (torch.cat(part).float() for part in (atoms, internals, torsions))
    return Examples(stacked, torch.cat(numbers), *parts)


def _padded(values: Tensor, residues: int, fill: float) -> Tensor:
    shape = (len(values), residues - values.shape[1], *values.shape[2:])
    return torch.cat([values, torch.full(shape, fill, dtype=values.dtype)], dim=1)
