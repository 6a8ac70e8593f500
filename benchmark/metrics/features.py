"""Functions of one frame that states and free energy surfaces are built on; fixed by the task, not by predictions."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

import mdtraj
import numpy as np
from numpy.typing import NDArray

from backmapbench.coarse_graining import atom_index
from backmapbench.errors import CardError
from backmapbench.metrics.frames import Frames
from backmapbench.metrics.radius_of_gyration import radii
from backmapbench.metrics.selections import amino_acids, heavy_atoms
from backmapbench.metrics.time_series import torsion_series

GYRATION = "radius_of_gyration"
END_TO_END = "end_to_end"


class Features(Protocol):
    """Some numbers per frame. ``key`` is equal for features that give the same numbers."""

    @property
    def key(self) -> Hashable:
        """Identifies the features, so that metrics of one task share them per chunk."""

    def series(self, frames: Frames) -> NDArray[np.float64]:
        """Features of every frame of the first sample, leading ones included: (lead + frames, features).

        A frame with any of them undefined has NaN.
        """


@dataclass(frozen=True, eq=False)
class TorsionFeatures:
    """Torsions as cos and sin of each, or as the angles themselves.

    Attributes:
        quads: int (torsions, 4), atom indices.
        periodic: cos of all, then sin of all; otherwise radians, (-pi, pi], as published (Shmilovich 2022).
    """

    quads: NDArray[np.intp]
    periodic: bool

    @property
    def key(self) -> Hashable:
        """Quads and kind."""
        return "torsions", self.quads.tobytes(), self.periodic

    def series(self, frames: Frames) -> NDArray[np.float64]:
        """(lead + frames, 2 torsions), or (lead + frames, torsions) in radians."""
        angles = torsion_series(frames, self.quads)
        return np.concatenate([np.cos(angles), np.sin(angles)], axis=1) if self.periodic else angles


@dataclass(frozen=True, eq=False)
class ShapeFeatures:
    """Radius of gyration and distances between atoms, nm.

    Attributes:
        pairs: int (features, 2), atom indices; [-1, -1] stands for the radius of gyration, that of rg_w1_angstrom.
        heavy: atoms whose radius of gyration it is.
    """

    pairs: NDArray[np.intp]
    heavy: NDArray[np.intp]

    @property
    def key(self) -> Hashable:
        """The atoms."""
        return "shape", self.pairs.tobytes(), self.heavy.tobytes()

    def series(self, frames: Frames) -> NDArray[np.float64]:
        """(lead + frames, features), nm."""
        return frames.cached(self.key, lambda: self._series(frames.xyz[0]))

    def _series(self, xyz: NDArray[np.float32]) -> NDArray[np.float64]:
        found = distances(xyz, self.pairs)
        gyration = self.pairs[:, 0] < 0
        if gyration.any():
            size = radii(xyz[:, self.heavy])
            found[:, gyration] = np.where(np.isfinite(size), size, np.nan)[:, None]
        return found


def distances(xyz: NDArray[np.floating], pairs: NDArray[np.intp]) -> NDArray[np.float64]:
    """Distances between atoms of xyz (frames, atoms, 3): (frames, pairs), unit of ``xyz``; NaN where not finite."""
    with np.errstate(invalid="ignore", over="ignore"):
        between = xyz[:, pairs[:, 0]].astype(np.float64) - xyz[:, pairs[:, 1]]
        found: NDArray[np.float64] = np.sqrt(np.einsum("fpi,fpi->fp", between, between))
    return np.where(np.isfinite(found), found, np.nan)


def alpha_carbons(topology: mdtraj.Topology) -> NDArray[np.intp]:
    """Indices of the CA atoms of all amino-acid residues. Raises CardError when there are fewer than two."""
    found = [atom.index for residue in amino_acids(topology) for atom in residue.atoms if atom.name == "CA"]
    if len(found) < 2:
        raise CardError(f"{len(found)} amino-acid residues have a CA atom, CA-CA distances need two; change the card")
    return np.array(found, dtype=np.intp)


def shape_features(topology: mdtraj.Topology, names: Sequence[str | Sequence[str]]) -> ShapeFeatures:
    """Features by name: "radius_of_gyration", "end_to_end" (first to last CA), or a pair of atom labels.

    Raises CardError for anything else, naming it.
    """
    pairs = np.array([_pair(topology, name) for name in names], dtype=np.intp).reshape(-1, 2)
    return ShapeFeatures(pairs, heavy_atoms(topology))


def _pair(topology: mdtraj.Topology, name: str | Sequence[str]) -> tuple[int, int]:
    if name == GYRATION:
        return -1, -1
    if name == END_TO_END:
        carbons = alpha_carbons(topology)
        return int(carbons[0]), int(carbons[-1])
    if isinstance(name, str) or len(name) != 2:
        raise CardError(
            f"coordinate {name!r} is not known; give '{GYRATION}', '{END_TO_END}' or two atom labels such as "
            "['ALA2:CA', 'VAL9:CA']"
        )
    first, second = (atom_index(topology, label) for label in name)
    return first, second


def digest(*parts: bytes) -> bytes:
    """A short fingerprint of arrays' bytes, for keys."""
    return hashlib.blake2b(b"|".join(parts), digest_size=16).digest()
