"""Integrated autocorrelation times from sums that add over chunks of a trajectory."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from backmapbench.metrics.base import Additive

SOKAL_WINDOW = 5.0
# Variance of exp(i theta) below which a torsion does not move: sd 1e-5 rad, the noise of float32 positions.
FROZEN = 1e-10


def lagged_sums(angles: NDArray[np.floating], lead: int, maximum_lag: int) -> dict[str, NDArray[np.float64]]:
    """Sums over pairs (t - k, t), k = 0..maximum_lag, of z = exp(i angle), for the frames t that the chunk owns.

    Args:
        angles: (lead + frames, series), radians; NaN where undefined, and such a frame enters no pair.
        lead: leading frames owned by the chunk before.
        maximum_lag: frames.

    Returns:
        ``products``: (series, maximum_lag + 1), sum of Re z(t) conj z(t - k);
        ``ends``: (series, maximum_lag + 1, 2), real and imaginary part of the sum of z(t) + z(t - k);
        ``pairs``: (series, maximum_lag + 1), pairs with both ends defined.

    All of them by fast Fourier transform, as correlations of z and of its mask with what the chunk owns of them.
    """
    if not len(angles):  # nothing to transform
        shape = (angles.shape[1], maximum_lag + 1)
        return {"products": np.zeros(shape), "ends": np.zeros((*shape, 2)), "pairs": np.zeros(shape)}
    defined = np.isfinite(angles).T
    z = np.where(defined, np.exp(1j * np.nan_to_num(angles.T)), 0.0)
    owned = np.arange(len(angles)) >= lead
    length = fft.next_fast_len(len(angles) + maximum_lag)
    all_z, own_z, all_m, own_m = (fft.fft(part, length) for part in (z, z * owned, defined, defined * owned))

    def correlate(later: NDArray[np.complex128], earlier: NDArray[np.complex128]) -> NDArray[np.complex128]:
        found: NDArray[np.complex128] = fft.ifft(later * earlier.conj())[:, : maximum_lag + 1]
        return found

    ends = correlate(own_z, all_m) + correlate(own_m, all_z).conj()
    return {
        "products": correlate(own_z, all_z).real,
        "ends": np.stack([ends.real, ends.imag], axis=-1),
        "pairs": np.rint(correlate(own_m, all_m).real),
    }


def autocovariance(sums: Mapping[str, Additive]) -> NDArray[np.float64]:
    """C_k = Re <(z(t) - mean) conj(z(t - k) - mean)> from summed ``lagged_sums``: (series, maximum_lag + 1).

    The mean is that of all frames. As it is only known when all chunks are summed, the product is expanded,
    C_k = Re (<z(t) conj z(t - k)> - conj(mean) <z(t) + z(t - k)>) + |mean|^2 over the pairs of lag k, which is exact
    and does not depend on how the trajectory was cut. 0 where a lag has no pair, NaN where a series has no frame.
    """
    pairs = np.asarray(sums["pairs"])
    ends = np.asarray(sums["ends"])[..., 0] + 1j * np.asarray(sums["ends"])[..., 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = ends[:, :1] / (2 * pairs[:, :1])
        covariance = (np.asarray(sums["products"]) - (mean.conj() * ends).real) / pairs + np.abs(mean) ** 2
    return np.where((pairs > 0) | (pairs[:, :1] <= 0), covariance, 0.0)


def autocorrelation_times(sums: Mapping[str, Additive], frame_ps: float) -> NDArray[np.float64]:
    """Integrated autocorrelation time of every series from summed ``lagged_sums``: (series,), ps.

    tau = dt (1/2 + sum_{k=1}^M Re C_k / C_0) with the smallest M >= 5 tau / dt (Sokal, Monte Carlo methods in
    statistical mechanics, 1997), or all lags when none is long enough. An uncorrelated series has dt / 2, an
    exponential decay much slower than dt its decay time. Kept within [dt / 2, maximum_lag dt]. NaN for a series
    without defined frames or without motion.
    """
    covariance = autocovariance(sums)
    moving = covariance[:, 0] > FROZEN  # false for NaN
    correlation = np.divide(covariance, covariance[:, :1], out=np.zeros_like(covariance), where=moving[:, None])
    running = 0.5 + np.cumsum(correlation[:, 1:], axis=1)
    lags = np.arange(1, running.shape[1] + 1)
    enough = lags >= SOKAL_WINDOW * running
    last = np.where(enough.any(axis=1), enough.argmax(axis=1), running.shape[1] - 1)
    times = np.clip(running[np.arange(len(running)), last], 0.5, running.shape[1]) * frame_ps
    return np.where(moving, times, np.nan)
