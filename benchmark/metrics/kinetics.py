"""Discrete states over torsions, fitted once on a task's reference, and transition counts between them."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import CardError, DataError
from backmapbench.metrics.base import MetricContext
from backmapbench.metrics.frames import Frames
from backmapbench.metrics.markov_model import largest_connected_set
from backmapbench.metrics.time_series import frame_interval, lagged, torsion_series

T = TypeVar("T")
UNDEFINED = -1  # state of a frame with an undefined torsion
MAXIMUM_ITERATIONS = 500  # of k-means, as in paper 000's analysis


@dataclass(frozen=True, eq=False)
class StateSpace:
    """k-means centres on torsions, and the lag at which transitions are counted.

    Attributes:
        centres: float64 (states, features).
        torsions: int (torsions, 4), atom indices.
        periodic: whether features are cos and sin of each torsion; otherwise the angles themselves in radians, without
            regard to periodicity, as published (paper 000).
        lag_frames: lag in frames.
        frame_ps: time between frames, ps.
        active: bool (states,), the largest strongly connected set of the whole reference at the lag. Transitions from
            or to any other state are counted on neither side: a single frame astray would otherwise join a basin that
            the reference never left to the rest, with a made-up weight and a timescale of nanoseconds.
    """

    centres: NDArray[np.float64]
    torsions: NDArray[np.intp]
    periodic: bool
    lag_frames: int
    frame_ps: float
    active: NDArray[np.bool_]

    @property
    def states(self) -> int:
        """Number of states."""
        return len(self.centres)

    @property
    def lag_ps(self) -> float:
        """Lag, ps."""
        return self.lag_frames * self.frame_ps

    @functools.cached_property
    def key(self) -> Hashable:
        """Identifies the assignment, so that metrics of one task share it per chunk."""
        content = self.centres.tobytes() + self.torsions.tobytes() + bytes([self.periodic])
        return "states", hashlib.blake2b(content, digest_size=16).digest()

    def assign(self, frames: Frames) -> NDArray[np.intp]:
        """State of every frame of the first sample, leading frames included: (lead + frames,); -1 where undefined."""
        return frames.cached(self.key, lambda: self._nearest(torsion_series(frames, self.torsions)))

    def _nearest(self, angles: NDArray[np.float64]) -> NDArray[np.intp]:
        states = np.full(len(angles), UNDEFINED, dtype=np.intp)
        defined = np.isfinite(angles).all(axis=1)
        if defined.any():
            states[defined] = KDTree(self.centres).query(_features(angles[defined], self.periodic))[1]
        return states

    def transitions(self, frames: Frames) -> NDArray[np.float64]:
        """Sliding counts at the lag, (states, states): rows at t - lag, columns at t, for the frames t that are owned.

        Pairs with an undefined or inactive state are left out.
        """
        earlier, later = lagged(self.assign(frames), frames.lead, self.lag_frames)
        usable = np.append(self.active, False)  # index -1, undefined, finds the last entry
        kept = usable[earlier] & usable[later]
        codes = earlier[kept] * self.states + later[kept]
        counts = np.bincount(codes, minlength=self.states**2).astype(np.float64)
        return counts.reshape(self.states, self.states)

    def total(self, trajectories: Trajectories) -> NDArray[np.float64]:
        """Sliding counts over whole trajectories, (states, states)."""
        counts: NDArray[np.float64] = np.sum([self.transitions(Frames(part[None])) for part in trajectories], axis=0)
        return counts

    def census(self, frames: Frames) -> NDArray[np.float64]:
        """[owned frames, those of them whose state is undefined, those whose state is inactive]."""
        owned = self.assign(frames)[frames.lead :]
        undefined = int((owned == UNDEFINED).sum())
        return np.array([len(owned), undefined, (~self.active[owned[owned != UNDEFINED]]).sum()], dtype=np.float64)


def state_space(context: MetricContext, metric: str, periodic: bool = True) -> StateSpace:
    """The task's states, fitted once on its reference with the card's seed and kept in ``context.shared``.

    Raises CardError when the task has independent frames or no [kinetics] table, DataError when the reference has
    fewer frames with defined torsions than states.
    """
    frame_ps = frame_interval(context, metric)
    if not context.kinetics:
        raise CardError(f"{metric} needs a [kinetics] table in the task card; add one or remove the metric")
    return _shared(context, ("state space", periodic), lambda: _fit(context, frame_ps, periodic))


def reference_counts(context: MetricContext, space: StateSpace) -> NDArray[np.float64]:
    """Sliding counts of the whole reference, (states, states); computed once per task."""
    key = ("reference counts", space.key, space.lag_frames)
    return _shared(context, key, lambda: space.total(context.reference))


def _shared(context: MetricContext, key: Hashable, compute: Callable[[], T]) -> T:
    if key not in context.shared:
        context.shared[key] = compute()
    found: T = context.shared[key]
    return found


def _fit(context: MetricContext, frame_ps: float, periodic: bool) -> StateSpace:
    # Both imported here: together they take a second, and listing metrics must not.
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    settings = context.kinetics
    states, quads = int(settings["states"]), np.array(settings["torsions"], dtype=np.intp)
    angles = torsion_series(Frames(context.reference.positions[None]), quads)
    features = _features(angles[np.isfinite(angles).all(axis=1)], periodic)
    if len(features) < states:
        raise DataError(f"{len(features)} reference frames have defined torsions; lower kinetics.states = {states}")
    fit = KMeans(states, init="k-means++", n_init=1, max_iter=MAXIMUM_ITERATIONS, random_state=int(settings["seed"]))
    with threadpool_limits(1):  # sums over threads depend on how many there are
        centres = np.asarray(fit.fit(features).cluster_centers_, dtype=np.float64)
    space = StateSpace(centres, quads, periodic, int(settings["lag_frames"]), frame_ps, np.ones(states, dtype=bool))
    connected = largest_connected_set(space.total(context.reference))
    return dataclasses.replace(space, active=np.isin(np.arange(states), connected))


def _features(angles: NDArray[np.float64], periodic: bool) -> NDArray[np.float64]:
    return np.concatenate([np.cos(angles), np.sin(angles)], axis=1) if periodic else angles
