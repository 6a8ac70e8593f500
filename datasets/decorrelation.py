"""How far samples drawn one after the other at held beads have forgotten each other and the frame they began from."""

from __future__ import annotations

from typing import Any

import mdtraj
import numpy as np
from numpy.typing import NDArray

STILL = 1e-6
"""Mean square difference of exp(i theta) below which a torsion does not move: what rounded coordinates make of it."""


def decorrelation(
    start: NDArray[np.floating], samples: NDArray[np.floating], topology: mdtraj.Topology, torsions: NDArray[np.intp]
) -> dict[str, Any]:
    """Figures of a chain of samples at held beads.

    With D(k) the mean square difference between members of a chain k apart (the start frame is its first), the
    correlation of neighbours is 1 - D(1) / D(far), far being at least half the chain: 0 for independent samples,
    whatever each frame's own mean is. Where the start frame is one sample of many, its squared distance from the
    samples is the samples' own: the log ratio is then 0 within its jackknife error over frames. Both are taken without
    the beads' atoms having moved, so no superposition is made.

    Args:
        start: (frames, atoms, 3), nm.
        samples: (samples, frames, atoms, 3), nm, in the order drawn.
        topology: of these atoms.
        torsions: int (torsions, 4), those that the beads leave free.

    Returns:
        ``neighbour_correlation_positions`` (heavy atoms), ``neighbour_correlation_torsions`` (mean over torsions) and
        ``_worst``, ``start_log_ratio`` and its standard error; torsions' figures are left out where there are none.
    """
    chain = np.concatenate([start[None], samples]).astype(np.float64)
    heavy = [atom.index for atom in topology.atoms if atom.element.symbol != "H"]
    positions = chain[:, :, heavy].reshape(*chain.shape[:2], 1, -1)
    found: dict[str, Any] = {"neighbour_correlation_positions": _rounded(_correlation(positions)[0])}
    if len(torsions):
        links = [mdtraj.Trajectory(link, topology) for link in chain]
        angles = np.stack([mdtraj.compute_dihedrals(link, torsions, periodic=False) for link in links])
        vectors = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        each = _correlation(vectors.astype(np.float64))
        if np.isfinite(each).any():
            found["neighbour_correlation_torsions"] = _rounded(float(np.nanmean(each)))
            found["neighbour_correlation_torsions_worst"] = _rounded(float(np.nanmax(each)))
    ratio, error = _exchangeable(positions[:, :, 0])
    return found | {"start_log_ratio": _rounded(ratio), "start_log_ratio_error": _rounded(error)}


def _correlation(chain: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 - D(1) / D(far) of series (links, frames, series, components): (series,), NaN for one that does not move."""
    links = len(chain)
    distances = np.stack([_apart(chain[lag:], chain[:-lag]) for lag in range(1, links)])
    first = max(1, (links - 1) // 2)
    pairs = np.arange(links - 1, 0, -1)[first:]
    if not len(pairs):
        return np.full(chain.shape[2], np.nan)
    far = np.average(distances[first:], axis=0, weights=pairs)
    return np.where(far > STILL * chain.shape[3], 1 - distances[0] / np.where(far > 0, far, 1.0), np.nan)


def _apart(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over links and frames of the squared difference, (series,)."""
    apart: NDArray[np.float64] = ((first - second) ** 2).sum(axis=-1).mean(axis=(0, 1))
    return apart


def _exchangeable(chain: NDArray[np.float64]) -> tuple[float, float]:
    """Ln of rms distance between samples over that from the start, and its error; (links, frames, components)."""
    samples = len(chain) - 1
    truth = ((chain[1:] - chain[0]) ** 2).sum(axis=-1).mean(axis=0)
    spread = ((chain[1:] - chain[1:].mean(axis=0)) ** 2).sum(axis=-1).sum(axis=0) * 2 / max(1, samples - 1)
    frames = len(truth)
    if frames < 2 or samples < 2 or truth.sum() <= 0:
        return float("nan"), float("nan")
    whole = 0.5 * np.log(spread.sum() / truth.sum())
    without = 0.5 * np.log((spread.sum() - spread) / (truth.sum() - truth))
    return float(whole), float(np.sqrt((frames - 1) / frames * ((without - without.mean()) ** 2).sum()))


def _rounded(value: float) -> float:
    return round(float(value), 4)
