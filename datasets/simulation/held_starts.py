"""Start frames for holding beads, all atoms: as stored, from the run that made them, or with hydrogens rebuilt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import mdtraj
import numpy as np
from numpy.typing import NDArray

from backmapbench.datasets.catalogue import Dataset
from backmapbench.datasets.schema import EmbeddedCard
from backmapbench.datasets.simulation.peptide import PH
from backmapbench.datasets.simulation.recipe import RECIPES, Recipe
from backmapbench.datasets.simulation.run import load_trajectory
from backmapbench.errors import DataError

SAME_NM = 0.001
"""Stored frames differ from those of their run by rounding only: less than this per coordinate."""
Label = tuple[int, int, str, str]


@dataclass(frozen=True, eq=False)
class Solute:
    """The molecule as it was simulated beside the dataset's.

    Attributes:
        start: PDB file of all its atoms.
        kept: index in it of every atom of the dataset, (atoms,).
        atoms: how many it has.
    """

    start: Path
    kept: NDArray[np.intp]
    atoms: int

    def widen(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weights (beads, dataset atoms) over all simulated atoms."""
        wide = np.zeros((len(weights), self.atoms))
        wide[:, self.kept] = weights
        return wide


def simulated_recipe(dataset: Dataset) -> Recipe:
    """The recipe as the dataset's card keeps it. Raises DataError for a dataset that no recipe made."""
    card = dataset.card
    if not isinstance(card, EmbeddedCard) or "recipe" not in card.provenance:
        raise DataError(f"dataset '{card.name}': no recipe made it, so beads cannot be held; use an embedded dataset")
    return Recipe(RECIPES / f"{card.name}.toml", card.provenance["recipe"])


def match(dataset: Dataset, start: Path) -> Solute:
    """Find the dataset's atoms in ``start`` by residue and name. Raises DataError for one that is not there."""
    places = {label: index for index, label in enumerate(_labels(mdtraj.load_topology(str(start))))}
    labels = _labels(dataset.topology)
    missing = [label for label in labels if label not in places]
    if missing:
        raise DataError(f"{start}: lacks atoms of dataset '{dataset.card.name}': {missing[:3]}; give its molecule")
    return Solute(start, np.array([places[label] for label in labels], dtype=np.intp), len(places))


def start_frames(
    dataset: Dataset, recipe: Recipe, split: str, frames: NDArray[np.intp], solute: Solute, run: Path | None = None
) -> NDArray[np.float64]:
    """Frames ``frames`` of ``split`` with all simulated atoms: float64 (frames, atoms, 3), nm; stored atoms as stored.

    Atoms that are not stored come from the run folder ``run`` where it is given; else hydrogens are rebuilt. Raises
    DataError when the run is not the dataset's, or when more than hydrogens are missing and no run is given.
    """
    stored = dataset.split(split)
    wanted = stored.positions[frames].astype(np.float64)
    found = np.zeros((len(frames), solute.atoms, 3))
    if len(solute.kept) < solute.atoms:
        if run is None:
            found = np.stack([_rebuild(recipe, solute, frame) for frame in wanted])
        else:
            found = _from_run(dataset, split, frames, run)
            worst = float(np.abs(found[:, solute.kept] - wanted).max())
            if worst > SAME_NM:
                raise DataError(f"{run}: its frames are {worst:.3g} nm off dataset '{dataset.card.name}'; give its run")
    found[:, solute.kept] = wanted
    return found


def _from_run(dataset: Dataset, split: str, frames: NDArray[np.intp], run: Path) -> NDArray[np.float64]:
    card = dataset.card
    if not isinstance(card, EmbeddedCard):
        raise DataError(f"dataset '{card.name}': its card names no trajectories of a run; use an embedded dataset")
    slices = dataset.split(split).slices
    firsts = np.array([part.start for part in slices])
    owners = np.searchsorted(firsts, frames, side="right") - 1
    loaded = {owner: load_trajectory(run, card.splits[split].sources[owner]) for owner in np.unique(owners)}
    picked = [loaded[owner][frame - firsts[owner]] for owner, frame in zip(owners, frames, strict=True)]
    return np.stack(picked).astype(np.float64)


def _rebuild(recipe: Recipe, solute: Solute, stored: NDArray[np.float64]) -> NDArray[np.float64]:
    """All atoms of one frame: its heavy atoms, with hydrogens placed by OpenMM at their energy minimum."""
    from openmm import Platform, app, unit

    start = app.PDBFile(str(solute.start))
    atoms = list(start.topology.atoms())
    kept = set(solute.kept.tolist())
    heavy = [atom.index for atom in atoms if atom.element.symbol != "H"]
    if not kept >= set(heavy):
        raise DataError(f"{solute.start}: heavy atoms are missing in the stored frames; give the run that made them")
    positions = np.zeros((solute.atoms, 3))
    positions[solute.kept] = stored
    modeller = app.Modeller(start.topology, positions * unit.nanometer)
    modeller.delete([atom for atom in atoms if atom.element.symbol == "H"])
    field = app.ForceField(*recipe.settings["force_field"]["files"])
    modeller.addHydrogens(field, pH=PH, platform=Platform.getPlatformByName("Reference"))
    placed = np.asarray(modeller.positions.value_in_unit(unit.nanometer), dtype=np.float64)
    places = {_key(atom): index for index, atom in enumerate(modeller.topology.atoms())}
    if set(places) != {_key(atom) for atom in atoms}:
        raise DataError(f"{solute.start}: hydrogens cannot be rebuilt as they were simulated; give the run with them")
    return placed[[places[_key(atom)] for atom in atoms]]


def _labels(topology: mdtraj.Topology) -> list[Label]:
    return [(atom.residue.chain.index, atom.residue.resSeq, atom.residue.name, atom.name) for atom in topology.atoms]


def _key(atom: object) -> tuple[int, str, str]:
    return atom.residue.chain.index, atom.residue.id, atom.name  # type: ignore[attr-defined]
