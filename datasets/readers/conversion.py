"""From one raw trajectory to the wanted atoms of whole molecules, chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import mdtraj
import networkx as nx
import numpy as np
from numpy.typing import NDArray

from backmapbench.datasets.readers.chunks import Unit, chunks
from backmapbench.datasets.readers.matching import match_atoms
from backmapbench.datasets.readers.prochiral import exchanged, methylene_groups
from backmapbench.datasets.readers.store import RawTrajectory
from backmapbench.datasets.readers.topology import read_topology
from backmapbench.datasets.readers.whole import make_whole
from backmapbench.errors import DataError

CHUNK_BYTES = 2**25  # of float32 positions; the double-precision copies of make_whole are some times as large
NAMES_ITS_ATOMS = {".pdb", ".ent", ".gro", ".h5", ".hdf5"}
SPACING_TOLERANCE = 1e-3
FLOAT32 = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Conversion:
    """How trajectories are converted; see ``ingest`` for the meaning of each."""

    wanted: mdtraj.Topology
    frame_ps: float | None
    stride: int
    make_whole: bool
    unit: Unit | None
    key: str | None
    truncated: Literal["error", "read"]


@dataclass(frozen=True, eq=False)
class _Plan:
    """Which atoms of a file to read on, which of these are wanted, and what the match found."""

    topology: mdtraj.Topology
    molecules: NDArray[np.intp]
    part: mdtraj.Topology
    wanted: NDArray[np.intp]
    report: str


@dataclass
class Converter:
    """Converts trajectories one after the other; ``found`` tells what the last one was like."""

    how: Conversion
    found: dict[str, Any] = field(default_factory=dict)
    _plans: dict[Path | None, _Plan] = field(default_factory=dict)

    def frames(self, raw: RawTrajectory) -> Iterator[NDArray[np.float32]]:
        """Positions (frames, wanted atoms, 3), nm, of one trajectory.

        Raises DataError as ``stream``, ``match_atoms`` and ``make_whole`` do, and for times that are not ``frame_ps``
        apart.
        """
        how, plan = self.how, self._plan(raw)
        self.found = {"match": plan.report, "exchanged_hydrogens": [], "truncated": None, "timed": False}
        size = max(1, CHUNK_BYTES // (12 * plan.topology.n_atoms))
        spacing = _Spacing(raw.path, how.frame_ps)
        order: NDArray[np.intp] | None = None
        for chunk in chunks(
            raw.path, plan.topology, size, how.stride, how.unit, how.key, lambda why: self._short(raw, why)
        ):
            spacing.check(chunk.time_ps)
            self.found["timed"] = chunk.time_ps is not None
            positions = chunk.positions[:, plan.molecules]
            if how.make_whole:
                positions = self._whole(raw, positions, chunk.box, plan)
            if order is None:
                order = self._order(positions[0], plan)
            yield np.ascontiguousarray(positions[:, order], dtype="<f4")

    def _plan(self, raw: RawTrajectory) -> _Plan:
        own = raw.path if raw.path.suffix.lower() in NAMES_ITS_ATOMS else None
        place = raw.topology or own
        if place not in self._plans:
            have = self.how.wanted if place is None else read_topology(place)
            try:
                self._plans = {place: _plan(have, self.how.wanted)}  # only the latest: files often name their own atoms
            except DataError as error:
                raise DataError(f"{place or raw.path}: {error}") from error
        return self._plans[place]

    def _whole(
        self, raw: RawTrajectory, positions: NDArray[np.float32], box: NDArray[np.float32] | None, plan: _Plan
    ) -> NDArray[np.float32]:
        try:
            return make_whole(positions, box, plan.part)
        except DataError as error:
            raise DataError(f"{raw.path}: {error}") from error

    def _order(self, first: NDArray[np.float32], plan: _Plan) -> NDArray[np.intp]:
        """The wanted atoms in the file, with the hydrogens of a CH2 group exchanged where their names do not fit."""
        order = plan.wanted.copy()
        groups = methylene_groups(self.how.wanted)
        swapped = groups[exchanged(first[order], groups)]
        order[swapped[:, 3:]] = order[swapped[:, [4, 3]]]
        self.found["exchanged_hydrogens"] = [str(self.how.wanted.atom(int(atom))) for atom in swapped[:, 3]]
        return order

    def _short(self, raw: RawTrajectory, reason: str) -> None:
        if self.how.truncated == "error":
            raise DataError(f"{raw.path}: {reason}; copy it again, or ask for what is there (truncated='read')")
        self.found["truncated"] = reason


def _plan(have: mdtraj.Topology, want: mdtraj.Topology) -> _Plan:
    match = match_atoms(have, want)
    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(range(have.n_atoms))
    graph.add_edges_from((a.index, b.index) for a, b in have.bonds)
    # Whole molecules are read on, not only wanted atoms: the bonds that make them whole may pass through others.
    held = {int(index) for index in match.indices}
    molecules = np.array(sorted(set().union(*(m for m in nx.connected_components(graph) if m & held))), dtype=np.intp)
    return _Plan(have, molecules, have.subset(molecules), np.searchsorted(molecules, match.indices), match.report)


@dataclass
class _Spacing:
    """Holds the times of consecutive chunks against the expected spacing."""

    path: Path
    frame_ps: float | None
    last: float | None = None
    seen: int = 0

    def check(self, time_ps: NDArray[np.float64] | None) -> None:
        if self.frame_ps is None or time_ps is None:
            return
        times = time_ps if self.last is None else np.concatenate([[self.last], time_ps])
        steps = np.diff(times)
        # Times are single precision in all formats, so late ones are coarse.
        slack = SPACING_TOLERANCE * self.frame_ps + 4 * FLOAT32 * np.abs(times[1:])
        wrong = np.flatnonzero(np.abs(steps - self.frame_ps) > slack)
        if len(wrong):
            frame = self.seen + int(wrong[0]) + (self.last is None)
            raise DataError(
                f"{self.path}: stored frame {frame} comes {steps[wrong[0]]:g} ps after the one before, frame_ps is "
                f"{self.frame_ps:g}; correct frame_ps (it counts after stride), or give none if the times mean nothing"
            )
        self.last, self.seen = float(time_ps[-1]), self.seen + len(time_ps)
