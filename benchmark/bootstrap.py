"""Block bootstrap: a replicate is a weighted sum of pieces' statistics; nothing is recomputed from coordinates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from backmapbench.blocks import BlockPlan
from backmapbench.metrics.base import PARTS, Additive, Metric, Statistics


@dataclass(frozen=True)
class Weights:
    """How often each piece counts in each replicate: (replicates, pieces) for reference and prediction.

    Reference weights depend on the task alone, so replicate r of every row of a board resamples the same reference
    blocks: differences between rows are paired. Rows paired with the reference use the same blocks for the prediction.
    """

    reference: NDArray[np.float64]
    prediction: NDArray[np.float64]


def draw_weights(reference: BlockPlan, prediction: BlockPlan | None, replicates: int, seed: int) -> Weights:
    """Resample blocks with replacement ``replicates`` times.

    ``prediction`` None uses the reference's draws for both (rows paired with it); a plan is drawn from independently,
    and may have any number of pieces (fresh MD).
    """
    streams = np.random.SeedSequence(seed).spawn(2)
    drawn = reference.draw(np.random.default_rng(streams[0]), replicates)
    if prediction is None:
        return Weights(drawn, drawn)
    return Weights(drawn, prediction.draw(np.random.default_rng(streams[1]), replicates))


BATCH = 16
"""Replicates summed at a time: one matrix product instead of 16 passes over memory."""


class Stacked:
    """Statistics of one metric by piece, stacked so that weighted sums over pieces are one product."""

    def __init__(self, parts: Mapping[str, Mapping[str, Additive]]) -> None:
        """``parts``: part -> name -> dense (pieces, ...) or sparse (pieces, K)."""
        self.parts = parts
        self._compact = {
            (part, name): _occupied(value)
            for part, entries in parts.items()
            for name, value in entries.items()
            if sparse.issparse(value)
        }

    @classmethod
    def of(cls, pieces: Sequence[Statistics]) -> Self:
        """Stack the statistics of every piece."""
        return cls({part: stack([getattr(piece, part) for piece in pieces]) for part in PARTS})

    def merge(self, reference: NDArray[np.float64], prediction: NDArray[np.float64]) -> Statistics:
        """Weighted sum over pieces; weights (pieces,) of each side."""
        return next(self.merged(Weights(reference[None], prediction[None])))

    def merged(self, weights: Weights) -> Iterator[Statistics]:
        """Statistics of every replicate in turn."""
        replicates = len(weights.reference)
        sides = {"reference": weights.reference, "prediction": weights.prediction, "paired": weights.prediction}
        for begin in range(0, replicates, BATCH):
            batch = slice(begin, min(begin + BATCH, replicates))
            sums = {
                part: {name: self._sums(part, name, sides[part][batch]) for name in self.parts[part]} for part in PARTS
            }
            for row in range(batch.stop - batch.start):
                yield Statistics(
                    *({name: self._row(part, name, found[row]) for name, found in sums[part].items()} for part in PARTS)
                )

    def _sums(self, part: str, name: str, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """(batch, ...), of a sparse statistic the occupied columns alone."""
        value = self.parts[part][name]
        if sparse.issparse(value):
            product: NDArray[np.float64] = weights @ self._compact[part, name][1]
            return product
        dense = np.asarray(value)
        flat: NDArray[np.float64] = weights @ dense.reshape(len(dense), -1)
        return flat.reshape(len(weights), *dense.shape[1:])

    def _row(self, part: str, name: str, sums: NDArray[np.float64]) -> Additive:
        value = self.parts[part][name]
        if not sparse.issparse(value):
            return sums
        kept = np.flatnonzero(sums != 0)  # of booleans numpy finds them five times as fast as of floats
        indices = self._compact[part, name][0][kept]
        return sparse.csr_array((sums[kept], indices, np.array([0, len(kept)])), shape=(1, value.shape[1]))


def stack(pieces: Sequence[Mapping[str, Additive]]) -> dict[str, Additive]:
    """One part of the statistics of every piece, by name: dense (pieces, ...) or sparse (pieces, K)."""
    stacked: dict[str, Additive] = {}
    for name in pieces[0]:
        values = [piece[name] for piece in pieces]
        whole = sparse.csr_array(sparse.vstack(values)) if sparse.issparse(values[0]) else np.stack(values)
        stacked[name] = whole
    return stacked


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
    ones = (np.ones(side.shape[1]) for side in (weights.reference, weights.prediction))
    scores = metric.value(stacked.merge(*ones))
    replicates = {name: np.full(len(weights.reference), np.nan) for name in scores}
    for row, statistics in enumerate(stacked.merged(weights)):
        for name, score in metric.value(statistics).items():
            replicates[name][row] = score
    return scores, replicates
