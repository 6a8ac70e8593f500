"""How flat aromatic rings are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import mdtraj
import numpy as np
from numpy.typing import NDArray

from backmapbench.errors import NotApplicableError
from backmapbench.metrics.base import Additive, Metric, MetricContext, Score, Statistics
from backmapbench.metrics.frames import Frames
from backmapbench.metrics.selections import neighbours

# Rings of PHE and TYR, HIS, and TRP by atom names in ring order, so that HSD, HIE, PTR and the like are found as well.
RINGS = (
    ("CG", "CD1", "CE1", "CZ", "CE2", "CD2"),
    ("CG", "ND1", "CE1", "NE2", "CD2"),
    ("CG", "CD1", "NE1", "CE2", "CD2"),
    ("CD2", "CE2", "CZ2", "CH2", "CZ3", "CE3"),
)
SP2_NEIGHBOURS = 3
FLAT_NM = 0.01  # a ring less than 0.1 Angstrom wide spans no plane
ANGSTROM_PER_NM = 10.0


@dataclass(frozen=True, eq=False)
class RingPlanarity(Metric):
    """Root mean square distance of an aromatic ring's atoms from their best plane, mean over rings, frames and samples.

    The plane minimises that distance for the ring (smallest principal axis). Rings are found by atom names and bonds:
    PHE, TYR, HIS and both of TRP, whatever their residue is called. A ring that spans no plane (its atoms within 0.1
    Angstrom of one line, or at no finite place) counts as worst: as a ball as large as the reference's ring, whose
    distance is the ring's root mean square radius over sqrt(3); the share of those is reported. Ranked is the distance
    to the reference's own value.

    Attributes:
        rings: atom indices of each ring.
        worst: distance at which a ring without a plane counts, nm (rings,).
    """

    rings: tuple[NDArray[np.intp], ...]
    worst: NDArray[np.float64]

    id: ClassVar[str] = "ring_planarity_angstrom"
    version: ClassVar[int] = 1
    paired: ClassVar[bool] = False
    distance: ClassVar[bool] = False
    scores: ClassVar[tuple[Score, ...]] = (
        Score("ring_planarity_angstrom", "Angstrom", True, "out-of-plane rms of aromatic rings: |value - reference|"),
        Score("ring_planarity_angstrom_raw", "Angstrom", False, "out-of-plane rms of aromatic rings"),
        Score("ring_undefined_percent", "%", False, "aromatic rings that span no plane; they count as worst"),
    )

    @classmethod
    def fit(cls, context: MetricContext) -> Self:
        """Find the rings and their size in the reference.

        Raises CardError for a molecule without aromatic rings, DataError for a topology without bonds.
        """
        rings = aromatic_rings(context.topology)
        if not rings:
            raise NotApplicableError(
                f"{cls.id} needs aromatic rings and the molecule has none; remove it from the card"
            )
        spread = [principal_rms(context.reference.positions[:, ring]) for ring in rings]
        return cls(rings, np.array([np.sqrt((axes**2).sum(axis=-1).mean() / 3) for axes in spread]))

    def statistics(self, reference: Frames, prediction: Frames) -> Statistics:
        """Per side: [sum of out-of-plane rms (nm), rings without a plane, rings], over frames and samples."""
        return Statistics(reference={"rings": self._count(reference)}, prediction={"rings": self._count(prediction)})

    def _count(self, frames: Frames) -> NDArray[np.float64]:
        xyz = frames.flat
        total = np.zeros(3)
        for ring, worst in zip(self.rings, self.worst, strict=True):
            axes = principal_rms(xyz[:, ring])
            planar = axes[:, 1] > FLAT_NM  # false for NaN as well
            total += [np.where(planar, axes[:, 0], worst).sum(), len(axes) - planar.sum(), len(axes)]
        return total

    def value(self, statistics: Statistics) -> dict[str, float]:
        """Means in Angstrom and a percentage; NaN where a side has no frames."""
        (expected, _), (found, undefined) = _means(statistics.reference), _means(statistics.prediction)
        return {
            "ring_planarity_angstrom": abs(found - expected),
            "ring_planarity_angstrom_raw": found,
            "ring_undefined_percent": undefined,
        }


def aromatic_rings(topology: mdtraj.Topology) -> tuple[NDArray[np.intp], ...]:
    """Atom indices of each aromatic ring, in ring order. Raises DataError for a topology without bonds.

    An atom with four bonds is not aromatic (cyclohexylalanine has the names of PHE).
    """
    bonded = neighbours(topology)
    found = []
    for residue in topology.residues:
        named = {atom.name: atom.index for atom in residue.atoms}
        for names in RINGS:
            ring = [named.get(name, -1) for name in names]
            closed = all(a >= 0 and b in bonded[a] for a, b in zip(ring, [*ring[1:], ring[0]], strict=True))
            if closed and all(len(bonded[atom]) <= SP2_NEIGHBOURS for atom in ring):
                found.append(np.array(ring, dtype=np.intp))
    return tuple(found)


def principal_rms(xyz: NDArray[np.floating]) -> NDArray[np.float64]:
    """Root mean square extent along the principal axes, ascending, (frames, 3) in the unit of ``xyz``.

    ``xyz``: (frames, atoms, 3). NaN where a coordinate is not finite.
    """
    points = np.asarray(xyz, dtype=np.float64)
    finite = np.asarray(np.isfinite(points).all(axis=(1, 2)))
    points = np.where(finite[:, None, None], points, 0.0)
    points = points - points.mean(axis=1, keepdims=True)
    covariance = points.swapaxes(1, 2) @ points / points.shape[1]
    found = np.sqrt(np.maximum(np.linalg.eigvalsh(covariance), 0.0))
    return np.where(finite[:, None], found, np.nan)


def _means(part: Mapping[str, Additive]) -> tuple[float, float]:
    distance, undefined, rings = (float(number) for number in np.asarray(part["rings"]))
    if rings <= 0:
        return float("nan"), float("nan")
    return ANGSTROM_PER_NM * distance / rings, 100.0 * undefined / rings
