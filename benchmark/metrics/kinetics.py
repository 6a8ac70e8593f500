"""Discrete states, fitted once on a task's reference, and transition counts between them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import KDTree

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import DataError, NotApplicableError
from backmapbench.metrics.base import MetricContext
from backmapbench.metrics.features import Features, TorsionFeatures, alpha_carbons, digest
from backmapbench.metrics.frames import Frames
from backmapbench.metrics.markov_model import largest_connected_set
from backmapbench.metrics.tica import all_pairs, fit_tica
from backmapbench.metrics.time_series import frame_interval, lagged

T = TypeVar("T")
UNDEFINED = -1  # state of a frame with an undefined feature
MAXIMUM_ITERATIONS = 500  # of k-means, as in Shmilovich 2022's analysis
FRACTIONS = (8, 4, 2)
MULTIPLES = (1, 2, 3, 5, 10)


def picture_lags(lag_frames: int) -> tuple[int, ...]:
    """Lags, in frames, at which implied timescales and the Chapman-Kolmogorov test are drawn: lag / 8 to 10 lags."""
    shorter = {max(1, round(lag_frames / fraction)) for fraction in FRACTIONS}
    return tuple(sorted(shorter | {lag_frames * multiple for multiple in MULTIPLES}))


@dataclass(frozen=True, eq=False)
class StateSpace:
    """k-means centres on some features of a frame, and the lag at which transitions are counted.

    Attributes:
        centres: float64 (states, features).
        features: cos and sin of the card's torsions, the torsions themselves (as published, Shmilovich 2022), or TICA
            components of CA-CA distances.
        lag_frames: lag in frames.
        frame_ps: time between frames, ps.
        active: bool (states,), the largest strongly connected set of the whole reference at the lag. Transitions from
            or to any other state are counted on neither side: a single frame astray would otherwise join a basin that
            the reference never left to the rest, with a made-up weight and a timescale of nanoseconds.
    """

    centres: NDArray[np.float64]
    features: Features
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

    @property
    def lead(self) -> int:
        """Leading frames of a chunk for every lag that is counted, the same for all metrics so that they share work."""
        return picture_lags(self.lag_frames)[-1]

    @functools.cached_property
    def key(self) -> Hashable:
        """Identifies the assignment, so that metrics of one task share it per chunk."""
        return "states", digest(self.centres.tobytes()), self.features.key

    def assign(self, frames: Frames) -> NDArray[np.intp]:
        """State of every frame of the first sample, leading frames included: (lead + frames,); -1 where undefined."""
        return frames.cached(self.key, lambda: self._nearest(self.features.series(frames)))

    def _nearest(self, series: NDArray[np.float64]) -> NDArray[np.intp]:
        states = np.full(len(series), UNDEFINED, dtype=np.intp)
        defined = np.isfinite(series).all(axis=1)
        if defined.any():
            states[defined] = KDTree(self.centres).query(series[defined])[1]
        return states

    def transitions(self, frames: Frames) -> NDArray[np.float64]:
        """Sliding counts at the lag, (states, states): rows at t - lag, columns at t, for the frames t that are owned.

        Pairs with an undefined or inactive state are left out.
        """
        key = ("transitions", self.key, self.lag_frames, digest(self.active.tobytes()))
        return frames.cached(key, lambda: self._dense(self._codes(frames, self.lag_frames)))

    def lagged_transitions(self, frames: Frames) -> sparse.csr_array:
        """The same at each of ``picture_lags``, one after the other: sparse (1, lags x states x states)."""
        found = []
        for index, lag in enumerate(picture_lags(self.lag_frames)):
            found.append(self._codes(frames, lag) + index * self.states**2)
        cells, counts = np.unique(np.concatenate(found), return_counts=True)
        shape = (1, len(found) * self.states**2)
        return sparse.csr_array((counts.astype(np.float64), (np.zeros(len(cells), dtype=np.int32), cells)), shape=shape)

    def _codes(self, frames: Frames, lag: int) -> NDArray[np.intp]:
        earlier, later = lagged(self.assign(frames), frames.lead, lag)
        usable = np.append(self.active, False)  # index -1, undefined, finds the last entry
        kept = usable[earlier] & usable[later]
        codes: NDArray[np.intp] = earlier[kept] * self.states + later[kept]
        return codes

    def _dense(self, codes: NDArray[np.intp]) -> NDArray[np.float64]:
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

    ``periodic`` False: on raw angles, as published (Shmilovich 2022); TICA components have no such variant and are the
    same either way.

    Raises CardError when the task has independent frames or no [kinetics] table, DataError when the reference has
    fewer frames with defined features than states.
    """
    frame_ps = frame_interval(context, metric)
    if not context.kinetics:
        raise NotApplicableError(f"{metric} needs a [kinetics] table in the task card; add one or remove the metric")
    periodic = periodic or context.kinetics.get("features", "torsions") != "torsions"
    return shared(context, ("state space", periodic), lambda: _fit(context, frame_ps, periodic))


def reference_counts(context: MetricContext, space: StateSpace) -> NDArray[np.float64]:
    """Sliding counts of the whole reference, (states, states); computed once per task."""
    key = ("reference counts", space.key, space.lag_frames)
    return shared(context, key, lambda: space.total(context.reference))


def shared(context: MetricContext, key: Hashable, compute: Callable[[], T]) -> T:
    """``compute()`` once per task."""
    if key not in context.shared:
        context.shared[key] = compute()
    found: T = context.shared[key]
    return found


def _features(context: MetricContext, periodic: bool) -> Features:
    settings = context.kinetics
    if settings.get("features", "torsions") == "torsions":
        return TorsionFeatures(np.asarray(settings["torsions"], dtype=np.intp).reshape(-1, 4), periodic)
    pairs = all_pairs(alpha_carbons(context.topology))
    lag = settings.get("tica_lag_frames") or settings["lag_frames"]
    return fit_tica(context.reference, pairs, int(settings.get("tica_dimensions") or 2), int(lag))


def _fit(context: MetricContext, frame_ps: float, periodic: bool) -> StateSpace:
    # Both imported here: together they take a second, and listing metrics must not.
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    states = int(context.kinetics["states"])
    features = _features(context, periodic)
    series = np.concatenate([features.series(Frames(part[None])) for part in context.reference])
    series = series[np.isfinite(series).all(axis=1)]
    if len(series) < states:
        raise DataError(f"{len(series)} reference frames have defined features; lower kinetics.states = {states}")
    seed = int(context.kinetics.get("seed", 0))
    fit = KMeans(states, init="k-means++", n_init=1, max_iter=MAXIMUM_ITERATIONS, random_state=seed)
    with threadpool_limits(1):  # sums over threads depend on how many there are
        centres = np.asarray(fit.fit(series).cluster_centers_, dtype=np.float64)
    lag = int(context.kinetics["lag_frames"])
    space = StateSpace(centres, features, lag, frame_ps, np.ones(states, dtype=bool))
    connected = largest_connected_set(space.total(context.reference))
    return dataclasses.replace(space, active=np.isin(np.arange(states), connected))
