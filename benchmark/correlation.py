"""How long the reference remembers: the correlation time of its slowest observable, which sets the bootstrap's blocks.

The observables are the radius of gyration and exp(i theta) of the torsions that the task names (those of its Markov
model and those that the beads do not fix) and of the backbone's phi and psi: what metrics average over is a function of
these. They are fixed by task and reference, so every row of a board is resampled alike.
"""

from __future__ import annotations

from itertools import chain

import numpy as np
from mdtraj.geometry.dihedral import indices_phi, indices_psi
from numpy.typing import NDArray

from backmapbench.blocks import BLOCK_TIMES, MINIMUM_BLOCKS
from backmapbench.coarse_graining import atom_index
from backmapbench.datasets.trajectories import Positions, Trajectories
from backmapbench.metrics.geometry import torsions
from backmapbench.tasks import Task
from backmapbench.tasks.hidden import rotatable_torsions

CHUNK_FRAMES = 2000
WINDOW = 5.0
"""Sums over lags stop at so many integrated times (Sokal, Monte Carlo methods in statistical mechanics, 1997)."""
STILL = 1e-12
"""Variance below which a series (nm^2, or of unit vectors) does not move."""


def task_block_frames(task: Task, reference: Trajectories) -> float:
    """Length of a bootstrap block of ``task`` in frames; infinite where trajectories are blocks as they are.

    Independent frames are resampled by trajectory, as the dataset names them, unless these are fewer than 20: then
    their order in the file is taken for time, which can only make blocks longer than they need be.
    """
    if not task.temporal and len(reference.lengths) >= MINIMUM_BLOCKS:
        return float("inf")
    return block_frames(slow_series(task, reference), reference.lengths)


def slow_series(task: Task, reference: Trajectories) -> NDArray[np.complex128]:
    """Radius of gyration (nm, all atoms alike) and exp(i theta) of the torsions: complex (frames, 1 + torsions)."""
    topology, card = task.dataset.topology, task.card
    named = chain(card.kinetics.torsions if card.kinetics else (), card.hidden.torsions if card.hidden else ())
    quads = [[atom_index(topology, label) for label in torsion] for torsion in named]
    quads += [*np.asarray(indices_phi(topology)).tolist(), *np.asarray(indices_psi(topology)).tolist()]
    if card.hidden is not None and card.hidden.automatic:
        quads += rotatable_torsions(topology, task.mapping).tolist()
    unique = np.array(sorted({tuple(quad) for quad in quads}), dtype=np.intp).reshape(-1, 4)
    chunks = range(0, len(reference), CHUNK_FRAMES)
    return np.concatenate([_observe(reference.positions[at : at + CHUNK_FRAMES], unique) for at in chunks])


def _observe(positions: Positions, quads: NDArray[np.intp]) -> NDArray[np.complex128]:
    xyz = positions.astype(np.float64)
    spread = xyz - xyz.mean(axis=1, keepdims=True)
    gyration = np.sqrt(np.einsum("fai,fai->f", spread, spread) / xyz.shape[1])
    return np.concatenate([gyration[:, None], np.exp(1j * torsions(xyz, quads))], axis=1)


def block_frames(series: NDArray[np.complexfloating], lengths: tuple[int, ...]) -> float:
    """Length of a block in frames: ``BLOCK_TIMES`` integrated autocorrelation times of the slowest of ``series``.

    Args:
        series: complex (frames, series): exp(i theta) for angles; anything real is complex too. NaN where undefined.
        lengths: frames of each trajectory.

    Returns:
        Frames, at least 1. Infinite where the slowest series does not decorrelate within a quarter of the longest
        trajectory: then trajectories are too short to be cut.
    """
    limit = max(lengths) // 4
    if limit < 2:
        return float("inf")
    times = integrated_times(series, lengths, limit)
    if not np.isfinite(times).any():
        return 1.0  # nothing moves: every frame is the same
    slowest = float(np.nanmax(times))
    return float("inf") if slowest >= limit / WINDOW else max(1.0, BLOCK_TIMES * slowest)


def integrated_times(
    series: NDArray[np.complexfloating], lengths: tuple[int, ...], maximum_lag: int
) -> NDArray[np.float64]:
    """Integrated autocorrelation times 1/2 + sum_k C_k / C_0 with Sokal's window, (series,), frames.

    The mean is that of all trajectories: where they differ in it, as when each stays in a basin of its own, the
    correlation does not decay and the time is long, as it should be. ``maximum_lag`` also where no window fits. NaN for
    a series that does not move.
    """
    centred = np.nan_to_num(series - np.nanmean(series, axis=0))
    covariance = np.zeros((maximum_lag + 1, series.shape[1]))
    pairs = np.zeros(maximum_lag + 1)
    first = 0
    for length in lengths:
        part = centred[first : first + length]
        size = 1 << (2 * length - 1).bit_length()
        power = np.abs(np.fft.fft(part, size, axis=0)) ** 2
        kept = min(length, maximum_lag + 1)
        covariance[:kept] += np.fft.ifft(power, axis=0).real[:kept]
        pairs[:kept] += length - np.arange(kept)
        first += length
    covariance /= np.maximum(pairs, 1.0)[:, None]
    moving = covariance[0] > STILL
    running = 0.5 + np.cumsum(covariance[1:] / np.where(moving, covariance[0], 1.0), axis=0)
    enough = np.arange(1, maximum_lag + 1)[:, None] >= WINDOW * running
    stop = np.where(enough.any(axis=0), enough.argmax(axis=0), maximum_lag - 1)
    times = np.where(enough.any(axis=0), running[stop, np.arange(len(stop))], maximum_lag)
    return np.where(moving, np.clip(times, 0.5, maximum_lag), np.nan)
