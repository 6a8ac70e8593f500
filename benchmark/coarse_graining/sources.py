"""Frames to learn beads from, with the hashes that say later which they were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import mdtraj
import numpy as np
from numpy.typing import NDArray

from backmapbench.coarse_graining.provenance import Source
from backmapbench.datasets.catalogue import Dataset, load_dataset
from backmapbench.datasets.readers import make_whole, read_topology, stream
from backmapbench.datasets.schema import EmbeddedCard
from backmapbench.errors import DataError
from backmapbench.files import sha256


@dataclass(frozen=True)
class LearningFrames:
    """All-atom frames: ``positions`` (frames, atoms, 3), nm, of the atoms of ``topology``."""

    topology: mdtraj.Topology
    positions: NDArray[np.float32]
    source: Source


def frames_of_dataset(name: str, split: str = "train") -> LearningFrames:
    """The frames of one split of the dataset called ``name`` in the catalogue.

    Raises UnknownNameError (dataset, split), DataError (files that are not what the card says, or not fetched).
    """
    dataset = load_dataset(name)
    positions = dataset.split(split).positions
    source = Source(
        dataset=name, version=dataset.card.version, split=split, frames=len(positions), sha256=_hashes(dataset, split)
    )
    return LearningFrames(dataset.topology, positions, source)


def frames_of_files(topology: Path, trajectories: Sequence[Path]) -> LearningFrames:
    """All frames of the user's own files, molecules made whole; atoms in the topology's order.

    Raises DataError for files that cannot be read, share a name, or hold molecules that cannot be made whole.
    """
    if not trajectories:
        raise DataError(f"{topology}: no trajectory given with it; give at least one file")
    files = dict.fromkeys([topology, *trajectories])
    by_name = {path.name: path for path in files}
    if len(by_name) < len(files):
        raise DataError(f"{topology}: two of the files given share a name; rename one")
    atoms = read_topology(topology)
    positions = np.concatenate([part for path in trajectories for part in _whole(path, atoms)])
    hashes = {name: sha256(path) for name, path in by_name.items()}
    return LearningFrames(atoms, positions, Source(frames=len(positions), sha256=hashes))


def _whole(path: Path, topology: mdtraj.Topology) -> Iterator[NDArray[np.float32]]:
    for chunk in stream(path, topology):
        try:
            yield make_whole(chunk.positions, chunk.box, topology)
        except DataError as error:
            raise DataError(f"{path}: {error}") from error


def _hashes(dataset: Dataset, split: str) -> dict[str, str]:
    card = dataset.card
    if isinstance(card, EmbeddedCard):
        return {entry.path: entry.sha256 for entry in (card.topology, card.splits[split])}
    *files, rules = dataset.hashes
    return {f"file {number}": value for number, value in enumerate(files)} | {"split rules": rules}
