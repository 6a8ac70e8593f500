"""Root mean square difference between free energy surfaces over the card's two torsions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from backmapbench.errors import CardError
from backmapbench.metrics.base import Additive, Metric, MetricContext, Score, Statistics
from backmapbench.metrics.frames import Frames
from backmapbench.metrics.histograms import count
from backmapbench.metrics.kinetics import UNDEFINED, StateSpace, reference_counts, state_space
from backmapbench.metrics.markov_model import estimate
from backmapbench.metrics.time_series import torsion_series

PSEUDO_COUNT = 0.5


@dataclass(frozen=True, eq=False)
class FreeEnergySurface(Metric):
    """F = -ln p in kT on a periodic grid over [-pi, pi)^2, frames weighted by a Markov state model.

    A frame in state s weighs pi_s / n_s, with pi the stationary distribution of the model of its own side and n_s the
    frames in s; frames outside the model's connected set weigh nothing. A pseudo-count is a fraction of a frame, so the
    weights of a side are first scaled to sum to its number of frames with defined torsions; then 0.5 is added to every
    bin of both sides. Undefined frames visit no bin. Bins compared, fixed at fit: reference F - min F below
    ``maximum_kt`` and at least ``minimum_frames`` reference frames. The free constant between the surfaces is the mean
    difference weighted by the reference's p over those bins. First sample of every frame.

    Attributes:
        space: states and lag.
        bins: bins per axis.
        compared: bool (bins * bins,).
    """

    id: ClassVar[str] = "fes_rmse_kt"
    version: ClassVar[int] = 1
    paired: ClassVar[bool] = False
    distance: ClassVar[bool] = True
    scores: ClassVar[tuple[Score, ...]] = (
        Score("fes_rmse_kt", "kT", True, "rms difference of free energy surfaces where the reference is sampled"),
        Score("fes_weight_visited_percent", "%", False, "reference weight in bins that the prediction visits"),
    )

    space: StateSpace
    bins: int
    compared: NDArray[np.bool_]

    @classmethod
    def fit(cls, context: MetricContext) -> Self:
        """States and the bins to compare, from the reference. Raises CardError when there are not two torsions."""
        space = state_space(context, cls.id)
        if len(space.torsions) != 2:
            raise CardError(f"{cls.id} needs two kinetics.torsions, the card has {len(space.torsions)}; correct it")
        bins = int(context.settings.get("bins", 50))
        metric = cls(space, bins, np.zeros(bins**2, dtype=bool))
        visits = sum(metric._visits(Frames(part[None])) for part in context.reference)
        surface = metric.surface({"visits": visits, "transitions": reference_counts(context, space)})
        frames = np.bincount(visits.indices % bins**2, weights=visits.data, minlength=bins**2)
        low = surface - surface.min() < float(context.settings.get("maximum_kt", 4.0))
        return cls(space, bins, low & (frames >= int(context.settings.get("minimum_frames", 10))))

    @property
    def lead(self) -> int:
        """The lag: transitions into a chunk's first frames."""
        return self.space.lag_frames

    def statistics(self, reference: Frames, prediction: Frames) -> Statistics:
        """Frames per state and bin, sparse (1, states * bins * bins), and transition counts (states, states)."""
        return Statistics(reference=self._describe(reference), prediction=self._describe(prediction))

    def _describe(self, frames: Frames) -> dict[str, Additive]:
        return {"visits": self._visits(frames), "transitions": self.space.transitions(frames)}

    def _visits(self, frames: Frames) -> sparse.csr_array:
        states = self.space.assign(frames)[frames.lead :]
        angles = torsion_series(frames, self.space.torsions)[frames.lead :][states != UNDEFINED]
        cells = np.floor((angles + np.pi) * (self.bins / (2 * np.pi))).astype(np.intp) % self.bins
        codes = (states[states != UNDEFINED] * self.bins + cells[:, 0]) * self.bins + cells[:, 1]
        return count(codes, 1.0, self.space.states * self.bins**2)

    def surface(self, part: Mapping[str, Additive]) -> NDArray[np.float64]:
        """F in kT on the grid, (bins * bins,) with the first torsion slow, from one side's summed statistics."""
        weights = self._weights(part) + PSEUDO_COUNT
        free_energy: NDArray[np.float64] = -np.log(weights / weights.sum())
        return free_energy

    def _weights(self, part: Mapping[str, Additive]) -> NDArray[np.float64]:
        """Weight of every bin, (bins * bins,), summing to the number of frames; all 0 where the model has none."""
        visits = sparse.csr_array(part["visits"])
        states, bins = np.divmod(visits.indices, self.bins**2)
        frames = np.bincount(states, weights=visits.data, minlength=self.space.states)
        stationary = estimate(part["transitions"]).stationary
        each: NDArray[np.float64] = np.divide(stationary, frames, out=np.zeros(len(frames)), where=frames > 0)
        weights: NDArray[np.float64] = np.bincount(
            bins, weights=visits.data * each[states], minlength=self.bins**2
        ).astype(np.float64)
        total = weights.sum()
        return weights * (visits.data.sum() / total) if total > 0 else weights

    def value(self, statistics: Statistics) -> dict[str, float]:
        """Scores from summed statistics.

        The rmse is NaN where the reference has no bin to compare or the prediction no frame with defined torsions.
        """
        expected, found = self.surface(statistics.reference), self.surface(statistics.prediction)
        probability = np.exp(-expected[self.compared])
        difference = found[self.compared] - expected[self.compared]
        weights = self._weights(statistics.reference)
        visited = np.unique(sparse.csr_array(statistics.prediction["visits"]).indices % self.bins**2)
        with np.errstate(invalid="ignore", divide="ignore"):
            offset = (probability * difference).sum() / probability.sum()
            share = 100 * weights[visited].sum() / weights.sum()
            rmse = float(np.sqrt(np.mean((difference - offset) ** 2))) if self.compared.any() else float("nan")
        return {"fes_rmse_kt": rmse if len(visited) else float("nan"), "fes_weight_visited_percent": float(share)}
