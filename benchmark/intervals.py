"""The one interval rule of the suite: from a value and its bootstrap replicates to a confidence interval.

``backmapbench.studies.coverage`` measures how often the intervals hold on processes whose true value is known.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from backmapbench.blocks import BLOCK_TIMES

MINIMUM_REPLICATES = 20
"""With fewer finite replicates the tails of a 95 % interval are a single draw, so no interval is given."""


def interval(
    value: float, replicates: ArrayLike, confidence: float, distance: bool, blocks: int | None = None
) -> tuple[float, float]:
    """Confidence interval (low, high) of ``value``, in its unit.

    Percentiles of the finite ``replicates`` (replicates,), at the shares of ``tails``. For a distance (anything that is
    0 at the truth and that noise can only raise) they are corrected for bias on the squares, where noise adds: with
    b = mean of the squared replicates - value^2, the bounds are sqrt(percentile^2 - 2 b) below and
    sqrt(percentile^2 - b) above, 0 where there is no root. The value itself lies above the truth by b, and its
    replicates by b again; the lower bound takes off both. The upper bound takes off one: at a distance of one to three
    times the noise the value of a shifted distribution no longer lies above the truth, and a bound without either falls
    short of it too often. Either way the interval is widened to contain the value, should the tails be too skewed.

    Returns (nan, nan) where the value or all but a few of the replicates (fewer than ``MINIMUM_REPLICATES``) are not
    finite, or there is a single block, which says nothing of the spread of blocks. Raises ValueError for a confidence
    outside (0, 1).
    """
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence {confidence} is not between 0 and 1; give a share such as 0.95")
    draws = np.asarray(replicates, dtype=np.float64).ravel()
    draws = draws[np.isfinite(draws)]
    if not np.isfinite(value) or len(draws) < MINIMUM_REPLICATES or (blocks is not None and blocks < 2):
        return float("nan"), float("nan")
    low, high = (float(bound) for bound in np.quantile(draws, tails(confidence, blocks)))
    if distance:
        bias = squared_bias(value, draws)
        low, high = math.sqrt(max(0.0, low * abs(low) - 2 * bias)), math.sqrt(max(0.0, high * abs(high) - bias))
    return min(low, value), max(high, value)


def squared_bias(value: float, replicates: ArrayLike) -> float:
    """How much resampling adds to the square of a distance: mean(replicates^2) - value^2, at least 0.

    Exact for the absolute difference of two means and for root mean square distances such as that of free energies, and
    for the Jensen-Shannon distance near 0, whose square is a quadratic form there. Wasserstein-1 distances behave like
    the first where distributions are shifted, and somewhere between elsewhere.
    """
    draws = np.asarray(replicates, dtype=np.float64)
    return max(0.0, float(np.mean(draws * draws)) - value * value)


def unbiased(value: float, replicates: ArrayLike) -> float:
    """A distance without what noise adds to it: sqrt(value^2 - squared bias), 0 where the bias is larger."""
    return math.sqrt(max(0.0, value * value - squared_bias(value, replicates)))


@lru_cache(maxsize=256)
def tails(confidence: float, blocks: int | None = None) -> tuple[float, float]:
    """Shares of the replicates below the lower and the upper bound.

    With ``blocks`` independent blocks the bootstrap's spread is too narrow by sqrt(1 - 1 / blocks), and normal tails
    are shorter than Student's; percentiles further out make up for both (the expanded percentile interval of
    Hesterberg, Am. Stat. 69, 371 (2015)). They also make up for the share 1 / ``BLOCK_TIMES`` of the variance that
    correlations between neighbouring blocks hide.
    """
    outside = (1.0 - confidence) / 2.0
    if blocks is not None:
        # Imported here: listing tasks and models must not wait for scipy.
        from scipy.special import ndtr, stdtrit

        narrow = (1.0 - 1.0 / blocks) * (1.0 - 1.0 / BLOCK_TIMES)
        outside = float(ndtr(stdtrit(blocks - 1, outside) / narrow**0.5))
    return outside, 1.0 - outside
