"""A user's own structure and trajectories as a dataset, read once into a store in the cache."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import mdtraj
import numpy as np

from backmapbench.datasets.download.cache import cache_folder
from backmapbench.datasets.readers import RawTrajectory, ingest, open_split, read_topology
from backmapbench.datasets.schema import ForceFieldEntry
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import DataError, UnknownNameError
from backmapbench.files import sha256

STRETCH = re.compile(r"^(?P<path>.*?)\[(?P<first>\d*):(?P<last>\d*)\]$")


@dataclass(frozen=True)
class OwnCard:
    """What a user says of the data, in the words of a dataset card.

    Attributes:
        splits: files of each split, each one trajectory, with an optional ``[first:last]``.
    """

    name: str
    temperature_K: float
    frame_ps: float | None
    force_field: ForceFieldEntry
    splits: Mapping[str, Sequence[str]]
    version: int = 1


@dataclass(frozen=True)
class OwnDataset:
    """Files of the user's own behind the calls of a catalogued dataset.

    Attributes:
        card: what is said of them.
        source: the topology file.
        folder: where relative paths begin.
        heavy: whether hydrogens are left out.
    """

    card: OwnCard
    source: Path
    folder: Path
    heavy: bool = False
    _opened: dict[str, Trajectories] = field(default_factory=dict, repr=False)

    @functools.cached_property
    def topology(self) -> mdtraj.Topology:
        """Atoms, residues and bonds of what is kept. Raises DataError for a file that is none."""
        whole = read_topology(self.source)
        if not self.heavy:
            return whole
        kept = [atom.index for atom in whole.atoms if atom.element is None or atom.element.symbol != "H"]
        return whole.subset(kept)

    @functools.cached_property
    def topology_path(self) -> Path:
        """The structure that energies are scored with: the user's own file."""
        return self.source

    def split(self, name: str) -> Trajectories:
        """Trajectories of one split, read through the readers once and mapped into memory from then on.

        Raises UnknownNameError for another split, DataError for files that cannot be used.
        """
        if name not in self.card.splits:
            raise UnknownNameError(f"split of {self.card.name}", name, self.card.splits)
        if name not in self._opened:
            self._opened[name] = self._read(name)
        return self._opened[name]

    @functools.cached_property
    def hashes(self) -> list[str]:
        """SHA-256 of the topology and of every trajectory file."""
        paths = [self.source, *(path for name in self.card.splits for path, _ in self._files(name))]
        return [sha256(path) for path in paths] + [json.dumps(dict(self.card.splits), default=list)]

    def _files(self, split: str) -> list[tuple[Path, slice]]:
        found = []
        for entry in self.card.splits[split]:
            match = STRETCH.match(entry)
            bounds = [int(match[key]) if match[key] else None for key in ("first", "last")] if match else [None, None]
            path = self.folder / (match["path"] if match else entry)
            if not path.is_file():
                raise DataError(f"{path}: no such file; correct data.splits.{split} in the task card")
            found.append((path, slice(*bounds)))
        return found

    def _read(self, name: str) -> Trajectories:
        files = self._files(name)
        content = [sha256(path) for path, _ in files] + [sha256(self.source), str(self.heavy), str(self.card.frame_ps)]
        key = hashlib.sha256("".join(content).encode()).hexdigest()[:24]
        store = cache_folder() / "own" / key
        store.parent.mkdir(parents=True, exist_ok=True)
        raw = [RawTrajectory(path, self.source) for path, _ in files]
        data = open_split(ingest(raw, self.topology, store, frame_ps=self.card.frame_ps))
        if all(part == slice(None, None) for _, part in files):
            return data
        cut = [np.asarray(frames[part]) for frames, (_, part) in zip(data, files, strict=True)]
        if not all(len(part) for part in cut):
            raise DataError(f"data.splits.{name}: a stretch of frames is empty; correct its [first:last]")
        return Trajectories(np.concatenate(cut), tuple(len(part) for part in cut), data.frame_ps)


def own_dataset(
    name: str,
    topology: Path,
    splits: Mapping[str, Sequence[str]],
    temperature_K: float,  # noqa: N803 - the unit keeps its case
    frame_ps: float | None,
    force_field: Sequence[str],
    heavy: bool,
) -> OwnDataset:
    """The dataset of a task card's [data] table; paths in ``splits`` are relative to the topology's folder.

    Raises DataError when the topology does not exist.
    """
    if not topology.is_file():
        raise DataError(f"{topology}: no such file; correct data.topology in the task card")
    scored = ForceFieldEntry(simulated=[], scored=list(force_field))
    return OwnDataset(OwnCard(name, temperature_K, frame_ps, scored, dict(splits)), topology, topology.parent, heavy)
