"""Steric clashes between amino-acid residues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from backmapbench.errors import NotApplicableError
from backmapbench.metrics.base import Additive, Metric, MetricContext, Score, Statistics
from backmapbench.metrics.frames import Frames
from backmapbench.metrics.pairs import DENSE_ATOMS, close_pair_blocks
from backmapbench.metrics.selections import BACKBONE, amino_acids, symbol

CLASH_NM = 0.12


@dataclass(frozen=True, eq=False)
class Clash(Metric):
    """Share of amino-acid residues that clash: two heavy atoms strictly closer than 1.2 Angstrom.

    ``clash_percent`` looks at side-chain atoms of sequence neighbours, as Kementzidis 2025 sec. 3 defines it;
    ``clash_percent_all_pairs`` also at all heavy atoms of residues that are no neighbours, as public code computes it.
    A pair counts both its residues; a residue with an atom at no finite place counts as well. Residues are those with
    N, CA and C: glycine counts (and has no side-chain heavy atom), caps do not. Neighbours are consecutive residues of
    one chain of the topology. A molecule of one residue has no pair and scores 0. Ranked is the distance to the
    reference's own percentage.

    Attributes:
        atoms: heavy atoms of amino-acid residues.
        residue: their residue, counted 0, 1, ... over amino-acid residues.
        place: their residue's place in sequence; neighbours differ by 1, and each new chain leaves a gap.
        side_chain: whether they belong to the side chain.
        residues: number of amino-acid residues.
    """

    atoms: NDArray[np.intp]
    residue: NDArray[np.intp]
    place: NDArray[np.intp]
    side_chain: NDArray[np.bool_]
    residues: int

    id: ClassVar[str] = "clash_percent"
    version: ClassVar[int] = 1
    paired: ClassVar[bool] = False
    distance: ClassVar[bool] = False
    scores: ClassVar[tuple[Score, ...]] = (
        Score("clash_percent", "%", True, "residues whose side chain clashes with a neighbour's: |value - reference|"),
        Score("clash_percent_raw", "%", False, "residues whose side chain clashes with a neighbour's"),
        Score("clash_percent_all_pairs", "%", True, "residues with a clash to any residue: |value - reference|"),
        Score("clash_percent_all_pairs_raw", "%", False, "residues with a clash to any residue"),
    )

    @classmethod
    def fit(cls, context: MetricContext) -> Self:
        """Select heavy atoms by residue.

        Raises CardError for a molecule without amino-acid residues, DataError for an atom without an element.
        """
        residues = amino_acids(context.topology)
        if not residues:
            raise NotApplicableError(
                f"{cls.id} needs amino-acid residues and the molecule has none; remove it from the card"
            )
        rows = [
            (atom.index, number, number + residue.chain.index, atom.name not in BACKBONE)
            for number, residue in enumerate(residues)
            for atom in residue.atoms
            if symbol(atom) != "H"
        ]
        columns = np.array(rows, dtype=np.intp).reshape(-1, 4).T
        return cls(columns[0], columns[1], columns[2], columns[3].astype(bool), len(residues))

    def statistics(self, reference: Frames, prediction: Frames) -> Statistics:
        """Per side: [clashing residues, by all pairs, residues], summed over frames and samples."""
        return Statistics(
            reference={"residues": reference.cached(self._key, lambda: self._count(reference))},
            prediction={"residues": prediction.cached(self._key, lambda: self._count(prediction))},
        )

    @property
    def _key(self) -> tuple[str, bytes]:
        return ("clashing residues", self.atoms.tobytes())

    def _count(self, frames: Frames) -> NDArray[np.float64]:
        neighbours, anywhere = self.clashing(frames.flat[:, self.atoms])
        return np.array([neighbours.sum(), anywhere.sum(), neighbours.size], dtype=np.float64)

    def clashing(
        self, xyz: NDArray[np.floating], dense_atoms: int = DENSE_ATOMS
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which residues clash in each frame of ``xyz`` (frames, ``atoms``, 3), nm: both (frames, residues).

        The first by side chains of sequence neighbours, the second by all pairs.
        """
        nowhere = np.zeros((len(xyz), self.residues), dtype=bool)
        frame, atom = np.nonzero(~np.isfinite(xyz).all(axis=-1))
        nowhere[frame, self.residue[atom]] = True
        flags = nowhere, nowhere.copy()
        for near in close_pair_blocks(xyz, CLASH_NM, dense_atoms):
            apart = np.abs(self.place[near.first] - self.place[near.second])
            side = (apart == 1) & self.side_chain[near.first] & self.side_chain[near.second]
            for flagged, kept in zip(flags, (side, side | (apart > 1)), strict=True):
                for ends in (near.first[kept], near.second[kept]):
                    flagged[near.frame[kept], self.residue[ends]] = True
        return flags

    def value(self, statistics: Statistics) -> dict[str, float]:
        """Percentages; NaN where a side has no frames."""
        expected, found = _percent(statistics.reference), _percent(statistics.prediction)
        return {
            "clash_percent": abs(found[0] - expected[0]),
            "clash_percent_raw": found[0],
            "clash_percent_all_pairs": abs(found[1] - expected[1]),
            "clash_percent_all_pairs_raw": found[1],
        }


def _percent(part: Mapping[str, Additive]) -> tuple[float, float]:
    neighbours, anywhere, residues = (float(number) for number in np.asarray(part["residues"]))
    if residues <= 0:
        return float("nan"), float("nan")
    return 100.0 * neighbours / residues, 100.0 * anywhere / residues
