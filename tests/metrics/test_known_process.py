"""A diffusion in four wells whose timescales and stationary distribution are known without sampling.

deeptime simulates the potential of Prinz et al., J. Chem. Phys. 134, 174105 (2011); its generator, written on a fine
grid here, gives the exact answer. Markov models of the simulation must find it inside their intervals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from deeptime.data import prinz_potential
from numpy.typing import NDArray

from backmapbench.metrics.markov_model import estimate
from backmapbench.metrics.posterior import INTERVAL, bayesian_timescales, draw_posterior

STEP, STEPS = 1e-5, 500
FRAME = STEP * STEPS
STATES = 40
EDGES = np.linspace(-1.0, 1.0, STATES + 1)[1:-1]


@dataclass(frozen=True)
class Exact:
    """Slowest timescales in the unit of time of the potential, and the weight of each state."""

    timescales: NDArray[np.float64]
    weights: NDArray[np.float64]


@pytest.fixture(scope="module")
def exact() -> Exact:
    """Spectrum of the generator on 800 cells (unit mass, damping and temperature: unit diffusion)."""
    edges = np.linspace(-1.2, 1.2, 801)
    centres, width = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]
    energies = prinz_potential(h=STEP, n_steps=STEPS).potential(centres[:, None]).ravel()
    rise = np.diff(energies) / 2
    generator = (np.diag(np.exp(-rise), 1) + np.diag(np.exp(rise), -1)) / width**2
    generator -= np.diag(generator.sum(axis=1))
    weights = np.exp(-energies) / np.exp(-energies).sum()
    root = np.sqrt(weights)
    values = np.linalg.eigvalsh(root[:, None] * generator / root)[::-1]
    states = np.bincount(np.digitize(centres, EDGES), weights=weights, minlength=STATES)
    return Exact(-1 / values[1:4], states)


@pytest.fixture(scope="module")
def states() -> NDArray[np.intp]:
    """States of 40,000 frames."""
    system = prinz_potential(h=STEP, n_steps=STEPS)
    return np.digitize(np.asarray(system.trajectory(np.zeros((1, 1)), 40_000, seed=1)).ravel(), EDGES)


@pytest.mark.parametrize("lag", [5, 10])
def test_timescales_and_weights_lie_inside_the_intervals(lag: int, exact: Exact, states: NDArray[np.intp]) -> None:
    codes = states[:-lag] * STATES + states[lag:]
    counts = np.bincount(codes, minlength=STATES**2).reshape(STATES, STATES).astype(float)
    posterior = draw_posterior(counts, 200, 0, lag_frames=lag)
    _, low, high = bayesian_timescales(posterior, lag * FRAME, 3)
    assert (low < exact.timescales).all()
    assert (exact.timescales < high).all()
    np.testing.assert_allclose(estimate(counts).timescales(lag * FRAME)[:3], exact.timescales, rtol=0.2)
    drawn = np.zeros((200, STATES))
    drawn[:, posterior.active] = posterior.stationary
    bottom, top = np.percentile(drawn, INTERVAL, axis=0)
    assert ((exact.weights >= bottom) & (exact.weights <= top)).mean() >= 0.9
