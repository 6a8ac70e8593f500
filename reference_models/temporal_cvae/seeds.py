"""The frame before a trajectory's first: that before the training frame with the nearest beads (paper sec. 2.4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import UnsupportedTaskError
from backmapbench.reference_models.lookup.model import Lookup
from backmapbench.submissions.protocol import System, TrainingSet
from backmapbench.superposition import rotations

TOLERATED = 2.0  # times the largest step of training: rare motions are longer than any of a short training set


class SeedFrames:
    """Training frames that have a frame before them, searched by their beads."""

    def __init__(self, system: System, training: TrainingSet) -> None:
        """Raises UnsupportedTaskError when no trajectory has two frames."""
        data = training.train
        self._system, self._atoms = system, data.positions
        begins = [part.start for part in data.slices]
        self._now = np.setdiff1d(np.arange(len(data)), begins)
        if not len(self._now):
            raise UnsupportedTaskError(
                "no trajectory of the training split has two frames, so no frame has one before it; "
                "give whole trajectories, or use frame-cvae"
            )
        self._search = Lookup()
        self._search.fit(system, TrainingSet(data.pick(self._now), training.validation), 0)

    def before(self, beads: NDArray[np.floating]) -> NDArray[np.float64]:
        """Atoms (frames, N, 3), nm, turned as their successors fit onto ``beads`` (frames, n, 3), on their centroid."""
        nearest, _ = self._search.nearest(beads)
        now = self._now[nearest]
        known = self._system.mapping.positions(np.asarray(self._atoms[now], dtype=np.float64))
        atoms = np.asarray(self._atoms[now - 1], dtype=np.float64)
        origin = self._system.mapping.positions(atoms).mean(axis=1, keepdims=True)
        turned: NDArray[np.float64] = (atoms - origin) @ rotations(known, beads) + beads.mean(axis=1, keepdims=True)
        return turned


def largest_step(beads: Trajectories) -> float:
    """Largest change of a distance between two beads in one step, nm; infinity without two frames in a row."""
    changes = _changes(beads)
    return float(changes.max()) if len(changes) else float("inf")


def check_steps(name: str, beads: Trajectories, largest: float) -> None:
    """Raises UnsupportedTaskError for a step much larger than ``largest``, nm, that of the training frames."""
    changes = _changes(beads)
    if not len(changes) or changes.max() <= TOLERATED * largest:
        return
    step = int(changes.argmax())
    ends = np.cumsum([length - 1 for length in beads.lengths])
    number = int(np.searchsorted(ends, step, side="right"))
    frame = step - int(ends[number]) + beads.lengths[number] - 1
    raise UnsupportedTaskError(
        f"{name}: in trajectory {number} the distance of two beads changes by {changes.max():.3g} nm between frames "
        f"{frame} and {frame + 1}, more than {TOLERATED:g} times as much as in any training frame ({largest:.3g} nm); "
        "cut the trajectory there"
    )


def _changes(beads: Trajectories) -> NDArray[np.float64]:
    """Largest change of a distance between two beads in every step within a trajectory, nm; rotations are none."""
    first, second = np.triu_indices(beads.positions.shape[1], k=1)
    if not len(first):
        return np.zeros(0)
    parts = []
    for points in beads:
        distances = np.linalg.norm(points[:, first].astype(np.float64) - points[:, second], axis=-1)
        parts.append(np.abs(np.diff(distances, axis=0)).max(axis=-1, initial=0.0))
    return np.concatenate(parts)
