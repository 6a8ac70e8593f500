"""Block statistics of rows, summed over blocks and averaged over seeds: what plots are drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from backmapbench.board.boards import Board
from backmapbench.metrics.base import Additive
from backmapbench.records import read_statistics

Part = Mapping[str, Additive]
SHOWN_CONTROLS = ("fresh-md", "lookup", "bead-centre")
"""The other controls copy the reference's frames or destroy them, which a table says as well."""


@dataclass(frozen=True)
class Summed:
    """Statistics of one metric: the reference's, and those of every row that has them, by row name in board order."""

    reference: Part
    rows: Mapping[str, Part]


def summed(board: Board, metrics: tuple[str, ...]) -> dict[str, Summed]:
    """Statistics of ``metrics``, without those that no row was scored on.

    Seeds are averaged, not summed: three seeds on one test split do not make three times the data, and an interval
    from their counts must not be narrower for it.
    """
    references: dict[str, Part] = {}
    rows: dict[str, dict[str, Part]] = {metric: {} for metric in metrics}
    for row in board.rows:
        for path in row.paths:
            statistics, _ = read_statistics(path)  # once per file: decompressing is most of the work
            for metric in set(metrics) & set(statistics):
                if metric not in references:
                    references[metric] = _total(statistics[metric]["reference"])
                part = _share(_total(statistics[metric]["prediction"]), len(row.paths))
                before = rows[metric].get(row.name)
                rows[metric][row.name] = _add(before, part) if before else part
    return {metric: Summed(references[metric], rows[metric]) for metric in metrics if metric in references}


def shown(board: Board, found: Summed) -> dict[str, Part]:
    """The models and ``SHOWN_CONTROLS`` that have statistics, for pictures that give each row a panel of its own."""
    names = [row.name for row in board.rows if not row.control or row.name in SHOWN_CONTROLS]
    return {name: found.rows[name] for name in names if name in found.rows}


def _total(part: Part) -> Part:
    return {name: _over_blocks(value) for name, value in part.items()}


def _share(part: Part, seeds: int) -> Part:
    return {name: value / seeds for name, value in part.items()}


def _add(left: Part, right: Part) -> Part:
    return {name: left[name] + right[name] for name in left}


def _over_blocks(value: Additive) -> Additive:
    """Sum over axis 0; a sparse row (1, K) stays sparse, since most of its cells are empty."""
    if not sparse.issparse(value):
        return np.asarray(value).sum(axis=0)
    rows = sparse.csr_array(value)
    cells, inverse = np.unique(np.asarray(rows.indices), return_inverse=True)
    totals = np.bincount(inverse, weights=rows.data, minlength=len(cells))
    return sparse.csr_array((totals, cells, np.array([0, len(cells)])), shape=(1, rows.shape[1]))
