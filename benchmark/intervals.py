"""The one interval rule of the suite: from a value and its bootstrap replicates to a confidence interval."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

MINIMUM_REPLICATES = 20
"""With fewer finite replicates the tails of a 95 % interval are a single draw, so no interval is given."""


def interval(value: float, replicates: ArrayLike, confidence: float, distance: bool) -> tuple[float, float]:
    """Confidence interval (low, high) of ``value``, in its unit.

    Percentiles of the finite ``replicates`` (replicates,). For a distance between distributions the bootstrap's bias,
    mean(replicates) - value, is taken off and the bounds are clipped at 0: resampling noise adds to a distance, so near
    zero the plain percentiles do not even contain the estimate (Efron & Tibshirani, An Introduction to the Bootstrap,
    1993, chapter 10). Either way the interval is widened to contain the value, should the tails be too skewed for that.

    Returns (nan, nan) where the value or all but a few of the replicates (fewer than ``MINIMUM_REPLICATES``) are not
    finite. Raises ValueError for a confidence outside (0, 1).
    """
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence {confidence} is not between 0 and 1; give a share such as 0.95")
    draws = np.asarray(replicates, dtype=np.float64).ravel()
    draws = draws[np.isfinite(draws)]
    if not np.isfinite(value) or len(draws) < MINIMUM_REPLICATES:
        return float("nan"), float("nan")
    tail = (1.0 - confidence) / 2.0
    low, high = (float(bound) for bound in np.quantile(draws, [tail, 1.0 - tail]))
    if distance:
        bias = float(draws.mean()) - value
        low, high = max(0.0, low - bias), max(0.0, high - bias)
    return min(low, value), max(high, value)
