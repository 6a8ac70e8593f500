"""Block bootstrap: a replicate is a weighted sum of block statistics; nothing is recomputed from coordinates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from backmapbench.metrics.base import PARTS, Additive, Metric, Statistics


@dataclass(frozen=True)
class Weights:
    """How often each block counts in each replicate: (replicates, blocks) for reference and prediction.

    Reference weights depend on the task alone, so replicate r of every row of a board resamples the same reference
    blocks: differences between rows are paired. Rows paired with the reference use the same blocks for the prediction.
    """

    reference: NDArray[np.float64]
    prediction: NDArray[np.float64]


def draw_weights(blocks: int, replicates: int, seed: int, paired: bool) -> Weights:
    """Resample ``blocks`` trajectories with replacement ``replicates`` times.

    ``paired`` False draws the prediction's blocks independently of the reference's (fresh MD).
    """
    streams = np.random.SeedSequence(seed).spawn(2)
    draws = []
    for stream in streams:
        chosen = np.random.default_rng(stream).integers(blocks, size=(replicates, blocks))
        draws.append(np.stack([np.bincount(row, minlength=blocks) for row in chosen]).astype(np.float64))
    return Weights(draws[0], draws[0] if paired else draws[1])


class Stacked:
    """Block statistics of one metric, stacked so that a weighted sum over blocks is one product."""

    def __init__(self, parts: Mapping[str, Mapping[str, Additive]]) -> None:
        """``parts``: part -> name -> dense (blocks, ...) or sparse (blocks, K)."""
        self.parts = parts
        self._compact = {
            (part, name): _occupied(value)
            for part, entries in parts.items()
            for name, value in entries.items()
            if sparse.issparse(value)
        }

    @classmethod
    def of(cls, blocks: Sequence[Statistics]) -> Self:
        """Stack the statistics of every block."""
        parts: dict[str, dict[str, Additive]] = {part: {} for part in PARTS}
        for part in PARTS:
            for name in getattr(blocks[0], part):
                values = [getattr(block, part)[name] for block in blocks]
                stack = (lambda rows: sparse.csr_array(sparse.vstack(rows))) if sparse.issparse(values[0]) else np.stack
                parts[part][name] = stack(values)
        return cls(parts)

    def merge(self, reference: NDArray[np.float64], prediction: NDArray[np.float64]) -> Statistics:
        """Weighted sum over blocks; both weights (blocks,)."""
        weights = {"reference": reference, "prediction": prediction, "paired": prediction}
        merged = [{name: self._weighted(part, name, weights[part]) for name in self.parts[part]} for part in PARTS]
        return Statistics(*merged)

    def _weighted(self, part: str, name: str, weights: NDArray[np.float64]) -> Additive:
        value = self.parts[part][name]
        if not sparse.issparse(value):
            return np.tensordot(weights, value, axes=1)
        columns, compact = self._compact[part, name]
        total = weights @ compact
        kept = np.flatnonzero(total)
        indices = columns[kept]
        return sparse.csr_array((total[kept], indices, np.array([0, len(kept)])), shape=(1, value.shape[1]))


def _occupied(matrix: Additive) -> tuple[NDArray[np.intp], sparse.csr_array]:
    """Columns that hold anything, and the matrix restricted to them."""
    csr = sparse.csr_array(matrix)
    columns, inverse = np.unique(csr.indices, return_inverse=True)
    compact = sparse.csr_array((csr.data.astype(np.float64), inverse, csr.indptr), shape=(csr.shape[0], len(columns)))
    return columns, compact


def replicate_scores(
    metric: Metric, stacked: Stacked, weights: Weights
) -> tuple[dict[str, float], dict[str, NDArray[np.float64]]]:
    """Scores of the whole data, and of every replicate (replicates,), by score id."""
    ones = np.ones(weights.reference.shape[1])
    scores = metric.value(stacked.merge(ones, ones))
    replicates = {name: np.full(len(weights.reference), np.nan) for name in scores}
    for row, (reference, prediction) in enumerate(zip(weights.reference, weights.prediction, strict=True)):
        for name, score in metric.value(stacked.merge(reference, prediction)).items():
            replicates[name][row] = score
    return scores, replicates
