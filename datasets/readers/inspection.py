"""What a trajectory file holds, measured: frames, bonds, size and handedness, and what was refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import mdtraj
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from backmapbench.datasets.readers.chunks import Chunk, Unit, chunks
from backmapbench.datasets.readers.prochiral import exchanged, methylene_groups
from backmapbench.datasets.readers.topology import read_topology
from backmapbench.datasets.readers.whole import make_whole
from backmapbench.errors import DataError

BOND_FACTOR = 1.3
RADII_NM = {"H": 0.023, "C": 0.068, "N": 0.068, "O": 0.068, "P": 0.075, "S": 0.102, "Se": 0.122}
CHUNK = 200


@dataclass(frozen=True)
class Inspection:
    """A summary of one trajectory file.

    Attributes:
        path: the file.
        frames: frames read.
        atoms: atoms.
        heavy_atoms: atoms other than hydrogen.
        spacing_ps: time between frames, ps; None where the format carries no times or they are uneven.
        boxed: whether there is a periodic box.
        split_frames: frames in which a molecule was cut by the box, before it was made whole.
        bonds_topology: bonds of the topology.
        bonds_inferred: mean over frames of the pairs closer than 1.3 (r_a + r_b) (radii of C, N, O 0.68, S 1.02,
            H 0.23 Angstrom).
        bonds_lost: largest number of bonds of the topology that are not inferred in a frame.
        bonds_extra: largest number of inferred pairs that are not bonds in a frame.
        longest_bond_nm: longest bond of the topology in any frame.
        rg_mean_nm: mean radius of gyration, each heavy atom counted once.
        rg_sd_nm: its standard deviation over frames.
        rg_min_nm: its least value in any frame.
        rg_max_nm: its largest value.
        alpha_carbons: CA atoms with N, C and CB.
        inverted_alpha_carbons: D-configured ones, counted over all frames.
        exchanged_hydrogens: CH2 groups whose hydrogens bear each other's names in the first frame.
        refused: what could not be read or trusted, each with the reason.
    """

    path: Path
    frames: int
    atoms: int
    heavy_atoms: int
    spacing_ps: float | None
    boxed: bool
    split_frames: int
    bonds_topology: int
    bonds_inferred: float
    bonds_lost: int
    bonds_extra: int
    longest_bond_nm: float
    rg_mean_nm: float
    rg_sd_nm: float
    rg_min_nm: float
    rg_max_nm: float
    alpha_carbons: int
    inverted_alpha_carbons: int
    exchanged_hydrogens: int
    refused: tuple[str, ...]


def inspect(
    path: Path, topology_path: Path | None = None, *, unit: Unit | None = None, key: str | None = None
) -> Inspection:
    """Read the whole of a trajectory and measure it; ``topology_path`` None for files that name their own atoms.

    A file that breaks off is measured as far as it goes and the reason is in ``refused``. ``unit`` and ``key`` as for
    ``stream``. Raises DataError when the topology or not even one frame can be read.
    """
    measured = _Measured(read_topology(topology_path or path))
    try:
        for chunk in chunks(path, measured.topology, CHUNK, 1, unit, key, measured.refused.append):
            measured.add(chunk)
    except DataError as error:
        if not measured.rg:
            raise
        measured.refused.append(f"from frame {len(measured.rg)} on: {error}")
    return measured.summary(path)


@dataclass
class _Measured:
    """Running totals over chunks."""

    topology: mdtraj.Topology
    refused: list[str] = field(default_factory=list)
    rg: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    inferred: list[int] = field(default_factory=list)
    lost: int = 0
    extra: int = 0
    longest: float = 0.0
    split: int = 0
    inverted: int = 0
    exchanged: int = 0
    boxed: bool = False

    def __post_init__(self) -> None:
        symbols = np.array([atom.element.symbol for atom in self.topology.atoms])
        self.heavy = np.flatnonzero((symbols != "H") & (symbols != "VS"))
        self.radii = np.array([RADII_NM.get(str(symbol), 0.0) for symbol in symbols])
        self.bonds = _sorted_pairs([(a.index, b.index) for a, b in self.topology.bonds])
        self.centres = _alpha_carbons(self.topology)
        unknown = sorted({str(symbol) for symbol in symbols} - set(RADII_NM))
        if unknown:
            self.refused.append(f"no bonds inferred for {', '.join(unknown)}: no radius is known")

    def add(self, chunk: Chunk) -> None:
        """Measure the frames of one chunk. Raises DataError for a molecule that cannot be made whole."""
        whole = make_whole(chunk.positions, chunk.box, self.topology)
        moved = np.abs(whole - chunk.positions).max(axis=(1, 2)) > 1e-4
        self.boxed |= chunk.box is not None
        self.split += int(moved.sum())
        if not self.rg:
            self.exchanged = int(exchanged(whole[0], methylene_groups(self.topology)).sum())
        ends = whole[:, self.bonds].astype(np.float64)
        lengths = np.linalg.norm(ends[:, :, 0] - ends[:, :, 1], axis=2)
        self.longest = max(self.longest, float(lengths.max(initial=0.0)))
        centred = whole[:, self.heavy] - whole[:, self.heavy].mean(axis=1, keepdims=True)
        self.rg += [float(value) for value in np.sqrt((centred.astype(np.float64) ** 2).sum(axis=2).mean(axis=1))]
        points = [whole[:, self.centres[:, k]].astype(np.float64) for k in range(4)]
        n, c, cb = (point - points[0] for point in points[1:])
        self.inverted += int((np.einsum("fad,fad->fa", n, np.cross(c, cb)) < 0).sum())
        self.times += [] if chunk.time_ps is None else [float(time) for time in chunk.time_ps]
        for frame in whole:
            self._bonds(frame)

    def _bonds(self, frame: NDArray[np.float32]) -> None:
        pairs = cKDTree(frame).query_pairs(2 * BOND_FACTOR * float(self.radii.max()), output_type="ndarray")
        distances = np.linalg.norm(frame[pairs[:, 0]] - frame[pairs[:, 1]], axis=1)
        close = _sorted_pairs(pairs[distances < BOND_FACTOR * self.radii[pairs].sum(axis=1)].tolist())
        common = len({tuple(pair) for pair in close.tolist()} & {tuple(pair) for pair in self.bonds.tolist()})
        self.inferred.append(len(close))
        self.lost = max(self.lost, len(self.bonds) - common)
        self.extra = max(self.extra, len(close) - common)

    def summary(self, path: Path) -> Inspection:
        """The totals of all chunks."""
        return Inspection(
            path=path,
            frames=len(self.rg),
            atoms=self.topology.n_atoms,
            heavy_atoms=len(self.heavy),
            spacing_ps=self._spacing(),
            boxed=self.boxed,
            split_frames=self.split,
            bonds_topology=len(self.bonds),
            bonds_inferred=float(np.mean(self.inferred)),
            bonds_lost=self.lost,
            bonds_extra=self.extra,
            longest_bond_nm=self.longest,
            rg_mean_nm=float(np.mean(self.rg)),
            rg_sd_nm=float(np.std(self.rg)),
            rg_min_nm=min(self.rg),
            rg_max_nm=max(self.rg),
            alpha_carbons=len(self.centres),
            inverted_alpha_carbons=self.inverted,
            exchanged_hydrogens=self.exchanged,
            refused=tuple(self.refused),
        )

    def _spacing(self) -> float | None:
        steps = np.diff(self.times)
        if not len(steps):
            return None
        mean = float(steps.mean())
        coarse = 1e-3 * abs(mean) + 4 * float(np.finfo(np.float32).eps) * max(abs(time) for time in self.times)
        if mean > 0 and float(np.abs(steps - mean).max()) <= coarse:
            return mean
        self.refused.append(f"times: steps from {steps.min():g} to {steps.max():g} ps; not taken as a time series")
        return None


def _alpha_carbons(topology: mdtraj.Topology) -> NDArray[np.intp]:
    """CA with N, C and CB of each residue that has them: (centres, 4)."""
    named = [{atom.name: atom.index for atom in residue.atoms} for residue in topology.residues]
    found = [
        [names[name] for name in ("CA", "N", "C", "CB")] for names in named if {"CA", "N", "C", "CB"} <= set(names)
    ]
    return np.array(found, dtype=np.intp).reshape(-1, 4)


def _sorted_pairs(pairs: list[tuple[int, int]]) -> NDArray[np.intp]:
    return np.array(sorted((min(a, b), max(a, b)) for a, b in pairs), dtype=np.intp).reshape(-1, 2)
