"""A board: rows of one task, columns of scores, and a cell for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from backmapbench.records import Cost, ModelEntry, Record

CONFIDENCE = 0.95
CONTROL_ORDER = (
    "oracle",
    "fresh-md",
    "conditional-md",
    "lookup",
    "bead-centre",
    "shuffled",
    "mirror",
    "jitter-0.05",
    "jitter-0.1",
    "jitter-0.3",
)
"""Control rows from the best to the worst expected; also the order of display."""

Status = Literal["ok", "failed", "no pair", "not applicable", "undefined", "not scored"]
Values = NDArray[np.float64]
Cause = Literal["uninformative", "fixed by the input", "underpowered"]
"""Why a column cannot tell methods apart."""


@dataclass(frozen=True)
class ScoreInfo:
    """A column: what a score is, as its records say."""

    id: str
    metric: str
    version: int
    unit: str
    ranked: bool
    distance: bool
    summary: str

    @property
    def main(self) -> bool:
        """Whether this is its metric's main score."""
        return self.id == self.metric


@dataclass(frozen=True)
class Cell:
    """One row's result in one column; ``value``, ``low`` and ``high`` are NaN unless status is "ok".

    ``replicates`` (replicates,) come from bootstrap draws shared by all rows of a task, so cells pair by index.
    """

    status: Status
    value: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    reason: str = ""
    replicates: Values | None = None


@dataclass(frozen=True)
class Row:
    """One model or control, over its seeds."""

    model: ModelEntry
    records: tuple[Record, ...]
    paths: tuple[Path, ...]
    cells: Mapping[str, Cell]

    @property
    def name(self) -> str:
        """The row's name."""
        return self.model.name

    @property
    def control(self) -> bool:
        """Whether the protocol itself supplies this row."""
        return self.model.kind == "control"

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds that were run."""
        return tuple(record.seed for record in self.records)

    @property
    def blocks(self) -> int:
        """Independent pieces that the bootstrap resampled (the fewest of all seeds)."""
        return min(record.blocks for record in self.records)

    @property
    def cost(self) -> Cost:
        """Cost averaged over seeds; the peak of the memory peaks."""
        costs = [record.cost for record in self.records]
        return Cost(
            fit_seconds=float(np.mean([cost.fit_seconds for cost in costs])),
            backmap_seconds=float(np.mean([cost.backmap_seconds for cost in costs])),
            seconds_per_frame=float(np.mean([cost.seconds_per_frame for cost in costs])),
            score_seconds=float(np.mean([cost.score_seconds for cost in costs])),
            peak_memory_MB=max(cost.peak_memory_MB for cost in costs),
            device=", ".join(sorted({cost.device for cost in costs})),
        )


@dataclass(frozen=True)
class Board:
    """All rows of one task and version: models first, then controls in their usual order."""

    task: str
    version: int
    scores: tuple[ScoreInfo, ...]
    rows: tuple[Row, ...]

    def row(self, name: str) -> Row | None:
        """The row called ``name``, None if it was not run."""
        return next((row for row in self.rows if row.name == name), None)

    def cell(self, name: str, score: str) -> Cell:
        """Cell of row ``name``; "not scored" where there is none."""
        row = self.row(name)
        return row.cells[score] if row else Cell("not scored")

    @property
    def main_scores(self) -> tuple[ScoreInfo, ...]:
        """The ranked main score of every metric that applies to some row."""
        return tuple(score for score in self.scores if score.main and score.ranked and self.applies(score.id))

    def applies(self, score: str) -> bool:
        """Whether a score applies to any row."""
        return any(row.cells[score].status != "not applicable" for row in self.rows)
