"""Processes whose means, distributions and timescales are known, as trajectories that metrics can read.

A trajectory is a single atom whose x coordinate is the process: float32 (frames, 1, 3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.special import ndtr

from backmapbench.datasets.trajectories import Trajectories


@dataclass(frozen=True)
class Sampling:
    """How much is sampled: ``trajectories`` of ``frames`` frames, correlated over ``memory`` frames."""

    trajectories: int
    frames: int
    memory: float

    def normal(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Stationary AR(1) process of mean 0, variance 1 and correlation exp(-k / memory): (trajectories, frames)."""
        decay = np.exp(-1.0 / self.memory)
        noise = rng.normal(size=(self.trajectories, self.frames))
        noise[:, 1:] *= np.sqrt(1.0 - decay**2)
        found: NDArray[np.float64] = lfilter([1.0], [1.0, -decay], noise, axis=1)
        return found

    def chain(self, rng: np.random.Generator, matrix: NDArray[np.float64]) -> NDArray[np.intp]:
        """States of a stationary Markov chain with transition ``matrix``: (trajectories, frames)."""
        draws = rng.random((self.frames, self.trajectories))
        first = (draws[0, :, None] > np.cumsum(stationary(matrix))[:-1]).sum(axis=1)
        # Every draw is a map from state to next state; maps are composed in pairs, then pairs of pairs, and so on.
        reached = (draws[1:, :, None, None] > np.cumsum(matrix, axis=1)[:, :-1]).sum(axis=-1)
        step = 1
        while step < len(reached):
            reached[step:] = np.take_along_axis(reached[step:], reached[:-step].copy(), axis=-1)
            step *= 2
        later = np.take_along_axis(reached, first[None, :, None], axis=-1)[..., 0]
        states: NDArray[np.intp] = np.concatenate([first[None], later]).T
        return states

    def as_trajectories(self, values: NDArray[np.floating] | NDArray[np.intp]) -> Trajectories:
        """``values`` (trajectories, frames) as x coordinates of one atom, 1 ps apart."""
        xyz = np.zeros((values.size, 1, 3), dtype=np.float32)
        xyz[:, 0, 0] = values.ravel()
        return Trajectories(xyz, (self.frames,) * self.trajectories, 1.0)


def stationary(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Stationary distribution of a transition matrix, (states,)."""
    values, vectors = np.linalg.eig(matrix.T)
    weights = np.abs(vectors[:, np.argmax(values.real)].real)
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares


@dataclass(frozen=True)
class Circle:
    """The density exp(kappa cos(theta - shift)) on the circle, theta in [-pi, pi)."""

    kappa: float
    shift: float = 0.0

    def cumulative(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability of [-pi, theta]."""
        grid = np.linspace(-np.pi, np.pi, 20_001)
        density = np.exp(self.kappa * np.cos(grid - self.shift))
        total = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
        found: NDArray[np.float64] = np.interp(theta, grid, total / total[-1])
        return found

    def angles(self, normal: NDArray[np.float64]) -> NDArray[np.float64]:
        """Angles with this density from standard normal numbers, which keep their correlation in time."""
        grid = np.linspace(-np.pi, np.pi, 2001)
        found: NDArray[np.float64] = np.interp(ndtr(normal), self.cumulative(grid), grid)
        return found

    def bins(self, number: int) -> NDArray[np.float64]:
        """Probability of each of ``number`` equal bins."""
        return np.diff(self.cumulative(np.linspace(-np.pi, np.pi, number + 1)))
