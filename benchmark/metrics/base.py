"""What a metric is: an id, a version, its scores and two pure functions.

``statistics(reference, prediction)`` describes one chunk by arrays that ADD: the statistics of two chunks together are
the sums of theirs. ``value(statistics)`` turns (weighted) sums into scores. So metrics stream, a bootstrap replicate is
a weighted sum over blocks, and ranks can be paired later from records without any coordinates
(uncertainty rule of the metric definitions).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self, TypeAlias

import mdtraj
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from backmapbench.coarse_graining import CoarseMapping
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.metrics.frames import Frames

Additive: TypeAlias = NDArray[Any] | sparse.csr_array
"""An array, or a sparse row (1, K), that adds over chunks."""


@dataclass(frozen=True)
class Statistics:
    """Additive description of one chunk (or, merged, of many).

    ``reference`` depends on the reference alone, ``prediction`` on the prediction alone, ``paired`` on both frame by
    frame. Rows without a frame-by-frame pair (fresh MD) carry no ``paired`` part and are resampled independently.
    """

    reference: Mapping[str, Additive] = field(default_factory=dict)
    prediction: Mapping[str, Additive] = field(default_factory=dict)
    paired: Mapping[str, Additive] = field(default_factory=dict)

    def __add__(self, other: Statistics) -> Statistics:
        return Statistics(*(_add(getattr(self, part), getattr(other, part)) for part in PARTS))


PARTS = ("reference", "prediction", "paired")


def _add(left: Mapping[str, Additive], right: Mapping[str, Additive]) -> dict[str, Additive]:
    return {name: left[name] + right[name] for name in left}


@dataclass(frozen=True)
class Score:
    """One number that a metric yields.

    Attributes:
        id: name, with its unit where it is not dimensionless.
        unit: unit, "" for dimensionless.
        ranked: whether it is an error (0 at the reference, lower is better) or only descriptive.
        summary: one line for tables and tool tips.
    """

    id: str
    unit: str
    ranked: bool
    summary: str


@dataclass(frozen=True)
class MetricContext:
    """What a metric may be fitted on: the task's system and its reference, never a prediction.

    Attributes:
        topology: atoms, residues, bonds.
        topology_path: PDB file of the topology (OpenMM reads it for energies).
        mapping: the task's mapping.
        reference: the scored split's atoms, nm, centred as the beads are.
        temperature_K: temperature, K.
        force_field: OpenMM force-field files that score energies.
        settings: this metric's table in the task card.
        kinetics: the task card's table on states and lag, its torsions as atom indices; empty for independent frames.
        hidden_torsions: int (torsions, 4), atom indices of the torsions that the beads do not fix.
        shared: results fitted once and used by several metrics of one task (k-means centres, an OpenMM context).
    """

    topology: mdtraj.Topology
    topology_path: str
    mapping: CoarseMapping
    reference: Trajectories
    temperature_K: float
    force_field: tuple[str, ...]
    settings: Mapping[str, Any]
    kinetics: Mapping[str, Any]
    hidden_torsions: NDArray[np.intp]
    shared: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    @property
    def frame_ps(self) -> float | None:
        """Time between frames, ps; None for independent frames."""
        return self.reference.frame_ps


class Metric(ABC):
    """A metric fitted to a task's reference. Subclasses are frozen dataclasses; both methods are pure.

    Class attributes:
        id: metric id; also the id of its first (main) score.
        version: grows with any change of value.
        scores: every number ``value`` returns, main score first.
        paired: whether frame t of the prediction is compared with frame t of the reference.
        distance: whether the main score is a distance between distributions (bias-corrected, clipped intervals).
        minimum_samples: samples per frame below which the metric does not apply to a prediction.
    """

    id: ClassVar[str]
    version: ClassVar[int]
    scores: ClassVar[tuple[Score, ...]]
    paired: ClassVar[bool]
    distance: ClassVar[bool]
    minimum_samples: ClassVar[int] = 1

    @classmethod
    @abstractmethod
    def fit(cls, context: MetricContext) -> Self:
        """The metric for one task: thresholds from its settings, anything fitted from its reference."""

    @property
    def lead(self) -> int:
        """Frames before a chunk that ``statistics`` needs (0: none)."""
        return 0

    @abstractmethod
    def statistics(self, reference: Frames, prediction: Frames) -> Statistics:
        """Additive statistics of one chunk. ``reference`` and ``prediction`` may differ in frames if not ``paired``."""

    @abstractmethod
    def value(self, statistics: Statistics) -> dict[str, float]:
        """Scores by id from (possibly weighted) summed statistics; NaN where a score is undefined."""
