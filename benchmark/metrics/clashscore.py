"""Steric overlaps per thousand atoms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import mdtraj
import numpy as np
from numpy.typing import NDArray

from backmapbench.errors import DataError
from backmapbench.metrics.base import Additive, Metric, MetricContext, Score, Statistics
from backmapbench.metrics.frames import Frames
from backmapbench.metrics.pairs import BLOCK_VALUES, DENSE_ATOMS, close_pair_blocks
from backmapbench.metrics.selections import neighbours, symbol

# Van der Waals radii of all-atom contact analysis with explicit hydrogens (Word et al. 1999 J. Mol. Biol. 285, 1711).
RADII_ANGSTROM = {"H": 1.17, "C": 1.75, "N": 1.55, "O": 1.40, "P": 1.80, "S": 1.80, "Se": 1.90}
SMALL_HYDROGEN_ANGSTROM = 1.00  # on N, O, S or a carbon with three bonds
CARBONYL_ANGSTROM = 1.65
OVERLAP_ANGSTROM = 0.4
HYDROGEN_BOND_ANGSTROM = 0.6  # a hydrogen bond may overlap by so much before the overlap counts at all
ACCEPTORS = frozenset({"N", "O", "S"})
SP2_NEIGHBOURS = 3
NEAR_BONDS = 3  # atoms up to here along bonds are close by their bonds
NM_PER_ANGSTROM = 0.1


@dataclass(frozen=True, eq=False)
class Clashscore(Metric):
    """Pairs of atoms that overlap by more than 0.4 Angstrom, per thousand atoms, mean over frames and samples.

    Overlap is the sum of van der Waals radii minus the distance. Atoms joined by three bonds or fewer do not count
    (bonds are the topology's). A hydrogen on N, O or S may come 0.6 Angstrom closer to N, O or S: a hydrogen bond. The
    threshold and the radii are those of the all-atom clashscore (Word et al. 1999; Chen et al. 2010 Acta Cryst. D66,
    12), which adds missing hydrogens and counts a pair of atoms once as well; here atoms are those of the task, so that
    scores of molecules with and without hydrogens do not compare. Ranked is the distance to the reference's own value.
    A frame with an atom at no finite place leaves the score undefined.

    Attributes:
        radii: van der Waals radii (atoms,), nm.
        donor: whether each atom is a hydrogen on N, O or S.
        acceptor: whether each atom is N, O or S.
        near: pairs (pairs, 2) of atoms up to three bonds apart.
    """

    radii: NDArray[np.float64]
    donor: NDArray[np.bool_]
    acceptor: NDArray[np.bool_]
    near: NDArray[np.intp]

    id: ClassVar[str] = "clashscore"
    version: ClassVar[int] = 1
    paired: ClassVar[bool] = False
    distance: ClassVar[bool] = False
    scores: ClassVar[tuple[Score, ...]] = (
        Score("clashscore", "", True, "overlaps above 0.4 Angstrom per 1000 atoms: |value - reference|"),
        Score("clashscore_raw", "", False, "overlaps above 0.4 Angstrom per 1000 atoms"),
    )

    @classmethod
    def fit(cls, context: MetricContext) -> Self:
        """Radii by element. Raises DataError for an element that has none and for a topology without bonds."""
        topology = context.topology
        bonded = neighbours(topology)
        symbols = [symbol(atom) for atom in topology.atoms]
        for atom, element in zip(topology.atoms, symbols, strict=True):
            if element not in RADII_ANGSTROM:
                known = ", ".join(RADII_ANGSTROM)
                raise DataError(f"atom {atom} is {element}, but clashes know radii of {known} only; leave it out")
        radii = np.array([RADII_ANGSTROM[element] for element in symbols])
        donor = np.zeros(len(symbols), dtype=bool)
        for atom, around in enumerate(bonded):
            if symbols[atom] == "H":
                donor[atom] = any(symbols[other] in ACCEPTORS for other in around)
                if donor[atom] or any(len(bonded[other]) == SP2_NEIGHBOURS for other in around):
                    radii[atom] = SMALL_HYDROGEN_ANGSTROM
            elif symbols[atom] == "C" and any(symbols[o] == "O" and len(bonded[o]) == 1 for o in around):
                radii[atom] = CARBONYL_ANGSTROM
        acceptor = np.array([element in ACCEPTORS for element in symbols])
        return cls(radii * NM_PER_ANGSTROM, donor, acceptor, joined_pairs(topology, NEAR_BONDS))

    def statistics(self, reference: Frames, prediction: Frames) -> Statistics:
        """Per side: [overlaps, atoms], summed over frames and samples."""
        return Statistics(
            reference={"overlaps": self._count(reference)}, prediction={"overlaps": self._count(prediction)}
        )

    def _count(self, frames: Frames) -> NDArray[np.float64]:
        key = ("overlaps", self.radii.tobytes(), self.near.tobytes())
        return frames.cached(key, lambda: _totals(self.overlaps(frames.flat), len(self.radii)))

    def overlaps(self, xyz: NDArray[np.floating], dense_atoms: int = DENSE_ATOMS) -> NDArray[np.float64]:
        """Overlapping pairs in each frame of ``xyz`` (frames, atoms, 3), nm; NaN where a coordinate is not finite."""
        found = np.zeros(len(xyz))
        reach = 2 * float(self.radii.max()) - OVERLAP_ANGSTROM * NM_PER_ANGSTROM
        for near in close_pair_blocks(xyz, reach, dense_atoms):
            kept = near.squared < self._limits(near.first, near.second)
            found += np.bincount(near.frame[kept], minlength=len(xyz))
        first, second = self.near.T
        limits = self._limits(first, second)
        # Taking the pairs near by bonds off the count is cheaper than looking up every close pair among them.
        step = max(1, BLOCK_VALUES // max(1, len(first)))
        for start in range(0, len(xyz), step):
            points = xyz[start : start + step].astype(np.float64)
            with np.errstate(invalid="ignore", over="ignore"):
                dx, dy, dz = np.moveaxis(points[:, second] - points[:, first], -1, 0)
                squared = dx * dx + dy * dy + dz * dz  # as for close pairs, to the last bit
                found[start : start + step] -= np.count_nonzero(squared < limits, axis=1)
        return np.where(np.isfinite(xyz).all(axis=(1, 2)), found, np.nan)

    def _limits(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
        """Squared distance below which each pair overlaps too much, nm^2."""
        limits = self.radii[first] + self.radii[second] - OVERLAP_ANGSTROM * NM_PER_ANGSTROM
        bridge = (self.donor[first] & self.acceptor[second]) | (self.donor[second] & self.acceptor[first])
        limits = limits - np.where(bridge, HYDROGEN_BOND_ANGSTROM * NM_PER_ANGSTROM, 0.0)
        squared: NDArray[np.float64] = limits**2
        return squared

    def value(self, statistics: Statistics) -> dict[str, float]:
        """Overlaps per 1000 atoms; NaN where a side has no frames or a place is not finite."""
        expected, found = _per_thousand(statistics.reference), _per_thousand(statistics.prediction)
        return {"clashscore": abs(found - expected), "clashscore_raw": found}


def joined_pairs(topology: mdtraj.Topology, bonds: int) -> NDArray[np.intp]:
    """Pairs (first < second) of atoms joined by 1 to ``bonds`` bonds, (pairs, 2), ascending.

    Raises DataError for a topology without bonds.
    """
    bonded = neighbours(topology)
    found: set[tuple[int, int]] = set()
    for start in range(len(bonded)):
        seen = reached = {start}
        for _ in range(bonds):
            reached = {other for atom in reached for other in bonded[atom]} - seen
            seen = seen | reached
        found |= {(start, other) for other in seen if other > start}
    return np.array(sorted(found), dtype=np.intp).reshape(-1, 2)


def _totals(overlaps: NDArray[np.float64], atoms: int) -> NDArray[np.float64]:
    return np.array([overlaps.sum(), float(len(overlaps) * atoms)])


def _per_thousand(part: Mapping[str, Additive]) -> float:
    overlaps, atoms = (float(number) for number in np.asarray(part["overlaps"]))
    return 1000.0 * overlaps / atoms if atoms > 0 else float("nan")
