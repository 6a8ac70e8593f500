"""Whether the slow processes are the same processes: overlap of Markov-model eigenvectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from backmapbench.metrics.base import Additive, MetricContext, Score, Statistics
from backmapbench.metrics.frames import Frames
from backmapbench.metrics.kinetics import StateSpace, state_space
from backmapbench.metrics.markov_model import MarkovModel, estimate
from backmapbench.metrics.sides import OnStates
from backmapbench.metrics.timescales import slow_processes


@dataclass(frozen=True, eq=False)
class Eigenvectors(OnStates):
    """Mean of 1 - |cosine| between left eigenvectors of reference and prediction, stationary one excluded.

    The vectors are restricted to the states that both models occupy; the inner product is sum_s a_s b_s / pi_s with the
    reference's stationary distribution pi, the one in which its left eigenvectors are orthogonal. The reference's
    processes slower than the lag (their number is fixed at fit) are assigned to the prediction's processes slower than
    the lag so that the sum of |cosine| is largest; a process left without partner counts as cosine 0. In a bootstrap
    replicate whose last reference process has fallen below the lag, the prediction's may be as fast as that one, so
    that the reference matches itself in every replicate.

    As published (Shmilovich 2022): right eigenvectors, unweighted, matched by rank.

    Attributes:
        space: states and lag.
        processes: processes slower than the lag in the whole reference, at most 16.
    """

    id: ClassVar[str] = "eigenvector_error"
    version: ClassVar[int] = 1
    paired: ClassVar[bool] = False
    distance: ClassVar[bool] = False
    scores: ClassVar[tuple[Score, ...]] = (
        Score("eigenvector_error", "", True, "mean 1 - |cosine| of the slow left eigenvectors, matched by assignment"),
        Score("eigenvector_error_as_published", "", False, "right eigenvectors, unweighted, matched by rank"),
    )

    space: StateSpace
    processes: int

    @classmethod
    def fit(cls, context: MetricContext) -> Self:
        """States and the number of slow processes, from the reference."""
        space = state_space(context, cls.id)
        return cls(space, slow_processes(context, space))

    def describe(self, frames: Frames) -> dict[str, Additive]:
        """Transition counts (states, states)."""
        return {"transitions": self.space.transitions(frames)}

    def value(self, statistics: Statistics) -> dict[str, float]:
        """Scores from summed statistics; NaN where the reference has no process slower than the lag."""
        reference = estimate(statistics.reference["transitions"])
        prediction = estimate(statistics.prediction["transitions"])
        matched = match(reference, prediction, self.space.lag_ps, self.processes)
        slow = len(matched.cosines)
        if not slow:
            return {score.id: float("nan") for score in self.scores}
        both = (reference.stationary > 0) & (prediction.stationary > 0)
        right = cosines(reference.right[:slow, both], prediction.right[:slow, both], np.ones(both.sum()))
        return {
            "eigenvector_error": 1 - float(matched.cosines.sum()) / slow,
            "eigenvector_error_as_published": 1 - float(np.diagonal(right).sum()) / slow,
        }


@dataclass(frozen=True, eq=False)
class Matched:
    """The reference's slow processes and what the prediction has for each.

    Attributes:
        cosines: |cosine| of the left eigenvectors (slow,); 0 without a partner.
        partners: process of the prediction (slow,); -1 for none.
    """

    cosines: NDArray[np.float64]
    partners: NDArray[np.intp]


def match(reference: MarkovModel, prediction: MarkovModel, lag_ps: float, processes: int) -> Matched:
    """Assign the prediction's slow processes to the first ``processes`` of the reference, as ``Eigenvectors`` says."""
    times = reference.timescales(lag_ps)[:processes]
    slow = times[np.isfinite(times)]  # a replicate may have fewer than the whole reference
    matched = Matched(np.zeros(len(slow)), np.full(len(slow), -1, dtype=np.intp))
    both = (reference.stationary > 0) & (prediction.stationary > 0)
    candidates = np.flatnonzero(prediction.timescales(lag_ps) >= min(lag_ps, slow.min(initial=np.inf)))
    left = cosines(
        reference.left[: len(slow), both], prediction.left[candidates][:, both], 1 / reference.stationary[both]
    )
    rows, columns = linear_sum_assignment(-left)
    matched.cosines[rows], matched.partners[rows] = left[rows, columns], candidates[columns]
    return matched


def cosines(a: NDArray[np.floating], b: NDArray[np.floating], weights: NDArray[np.floating]) -> NDArray[np.float64]:
    """|cosine| of every row of a (m, states) with every row of b (n, states): (m, n), in [0, 1].

    The inner product is sum_s weights_s a_s b_s. 0 for a vector without norm. Exactly 1 for equal rows: products and
    norms are summed in the same order.
    """
    # Rows picked by a mask may lie in memory by columns, and numpy sums in the order of memory.
    a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
    products = np.ascontiguousarray(a[:, None, :] * b[None, :, :] * weights).sum(axis=-1)
    norms = np.sqrt((a * a * weights).sum(axis=-1)[:, None] * (b * b * weights).sum(axis=-1))
    found: NDArray[np.float64] = np.divide(np.abs(products), norms, out=np.zeros_like(products), where=norms > 0)
    return np.minimum(found, 1.0)
