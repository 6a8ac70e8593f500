"""Root mean square difference between free energy surfaces over two coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from backmapbench.errors import NotApplicableError
from backmapbench.metrics.base import Additive, MetricContext, Score, Statistics
from backmapbench.metrics.features import TorsionFeatures
from backmapbench.metrics.frames import Frames
from backmapbench.metrics.histograms import count
from backmapbench.metrics.kinetics import StateSpace, reference_counts, state_space
from backmapbench.metrics.markov_model import estimate
from backmapbench.metrics.sides import SideBySide
from backmapbench.metrics.surface_grid import Grid, fitted_grid, shape_grid, torsion_grid

PSEUDO_COUNT = 0.5


@dataclass(frozen=True, eq=False)
class FreeEnergySurface(SideBySide):
    """F = -ln p in kT on a grid over the task's two coordinates, compared where the reference is sampled.

    On tasks with a Markov model the coordinates are the card's two torsions (periodic, [-pi, pi)^2) or its two TICA
    components, and frames are reweighted: a frame in state s weighs pi_s / n_s, with pi the stationary distribution of
    the model of its own side and n_s the frames in s; frames outside the model's connected set weigh nothing. On tasks
    of independent frames, or where the card names ``coordinates`` (default: radius of gyration, end-to-end CA
    distance), frames weigh alike.

    A pseudo-count is a fraction of a frame, so the weights of a side are first scaled to sum to its number of frames on
    the grid; then 0.5 is added to every bin of both sides. Frames with an undefined coordinate or one out of range
    visit no bin; their share is reported. Bins compared, fixed at fit: reference F - min F below ``maximum_kt`` and at
    least ``minimum_frames`` reference frames. The free constant between the surfaces is the mean difference weighted by
    the reference's p over those bins. First sample of every frame.

    Attributes:
        grid: coordinates and bins.
        space: states and lag; None where frames weigh alike.
        compared: bool (bins * bins,).
    """

    id: ClassVar[str] = "fes_rmse_kt"
    version: ClassVar[int] = 1
    paired: ClassVar[bool] = False
    distance: ClassVar[bool] = True
    scores: ClassVar[tuple[Score, ...]] = (
        Score("fes_rmse_kt", "kT", True, "rms difference of free energy surfaces where the reference is sampled"),
        Score("fes_weight_visited_percent", "%", False, "reference weight in bins that the prediction visits"),
        Score("fes_outside_percent", "%", False, "share of frames in no bin: a coordinate undefined or out of range"),
    )

    grid: Grid
    space: StateSpace | None
    compared: NDArray[np.bool_]

    @classmethod
    def fit(cls, context: MetricContext) -> Self:
        """Coordinates, states and the bins to compare, from card and reference.

        Raises CardError when there are not two coordinates, or for a temporal task without [kinetics] table;
        NotApplicableError when no bin holds enough frames of the reference.
        """
        bins = int(context.settings.get("bins", 50))
        space = None
        if context.frame_ps is None or "coordinates" in context.settings:
            grid = shape_grid(context, bins)
        else:
            space = state_space(context, cls.id)
            if isinstance(space.features, TorsionFeatures):
                grid = torsion_grid(space.features.quads, bins)
            else:
                grid = fitted_grid(context, space.features, bins)
        metric = cls(grid, space, np.zeros(bins**2, dtype=bool))
        visits = sum(metric._visits(Frames(part[None])) for part in context.reference)
        counts = {} if space is None else {"transitions": reference_counts(context, space)}
        surface = metric.surface({"visits": visits, **counts})
        frames = np.bincount(visits.indices % bins**2, weights=visits.data, minlength=bins**2)
        low = surface - surface.min() < float(context.settings.get("maximum_kt", 4.0))
        compared = low & (frames >= int(context.settings.get("minimum_frames", 10)))
        if not compared.any():
            raise NotApplicableError(f"{cls.id}: no bin holds enough reference frames; lower bins or minimum_frames")
        return cls(grid, space, compared)

    @property
    def lead(self) -> int:
        """That of the states, 0 without."""
        return self.space.lead if self.space else 0

    def describe(self, frames: Frames) -> dict[str, Additive]:
        """Frames per state and bin, sparse (1, states * bins * bins), owned frames (1,), transitions (states, states).

        Without a Markov model one state stands for all, and there are no transitions. ``extent`` (2, 2) is [low, high]
        of the grid times the owned frames, so that pictures drawn from sums find the grid.
        """
        owned = np.array([frames.owned.shape[1]], dtype=np.float64)
        counts = {"transitions": self.space.transitions(frames)} if self.space else {}
        extent = owned * np.stack([self.grid.low, self.grid.high])
        return {"visits": self._visits(frames), "frames": owned, "extent": extent, **counts}

    def _visits(self, frames: Frames) -> sparse.csr_array:
        cells = self.grid.cells(frames)
        states = self.space.assign(frames)[frames.lead :] if self.space else np.zeros_like(cells)
        kept = (cells >= 0) & (states >= 0)
        number = self.space.states if self.space else 1
        codes = (states[kept] * self.grid.bins**2 + cells[kept]).astype(np.float64)
        return count(codes, 1.0, number * self.grid.bins**2)

    def surface(self, part: Mapping[str, Additive]) -> NDArray[np.float64]:
        """F in kT on the grid, (bins * bins,) with the first coordinate slow, from one side's summed statistics."""
        weights = bin_weights(part, self.grid.bins**2) + PSEUDO_COUNT
        free_energy: NDArray[np.float64] = -np.log(weights / weights.sum())
        return free_energy

    def value(self, statistics: Statistics) -> dict[str, float]:
        """Scores from summed statistics.

        The rmse is NaN where the reference has no bin to compare or the prediction no frame on the grid.
        """
        x, y = statistics.reference, statistics.prediction
        expected, found = self.surface(x), self.surface(y)
        probability = np.exp(-expected[self.compared])
        difference = found[self.compared] - expected[self.compared]
        weights = bin_weights(x, self.grid.bins**2)
        visits, frames = sparse.csr_array(y["visits"]), float(np.asarray(y["frames"])[0])
        visited = np.unique(visits.indices % self.grid.bins**2)
        with np.errstate(invalid="ignore", divide="ignore"):
            offset = (probability * difference).sum() / probability.sum()
            share = 100 * weights[visited].sum() / weights.sum()
            rmse = float(np.sqrt(np.mean((difference - offset) ** 2))) if self.compared.any() else float("nan")
        return {
            "fes_rmse_kt": rmse if len(visited) else float("nan"),
            "fes_weight_visited_percent": float(share),
            "fes_outside_percent": 100 * (1 - float(visits.data.sum()) / frames) if frames > 0 else float("nan"),
        }


def bin_weights(part: Mapping[str, Additive], bins: int) -> NDArray[np.float64]:
    """Weight of each of ``bins`` bins from one side's statistics, summing to its frames on the grid.

    All 0 where the Markov model has no state.
    """
    visits = sparse.csr_array(part["visits"])
    states, places = np.divmod(visits.indices, bins)
    each = np.ones(visits.shape[1] // bins)
    if "transitions" in part:
        frames = np.bincount(states, weights=visits.data, minlength=len(each))
        stationary = estimate(np.asarray(part["transitions"])).stationary
        each = np.divide(stationary, frames, out=np.zeros(len(frames)), where=frames > 0)
    weights: NDArray[np.float64] = np.bincount(places, weights=visits.data * each[states], minlength=bins).astype(
        np.float64
    )
    total = weights.sum()
    return weights * (visits.data.sum() / total) if total > 0 else weights
