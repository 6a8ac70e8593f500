"""The cases of the coverage study, each with its exact answer."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from backmapbench.studies.coverage import Case, Simulate
from backmapbench.studies.known import (
    ChainTimescales,
    FreeEnergy,
    JensenShannon,
    MeanDeviation,
    ShareDifference,
    Wasserstein,
)
from backmapbench.studies.processes import Circle, Sampling

SAMPLINGS = {
    "One long trajectory, cut into moving blocks": Sampling(trajectories=1, frames=6000, memory=5.0),
    "Eight trajectories, cut into moving blocks": Sampling(trajectories=8, frames=1000, memory=5.0),
    "Sixty short trajectories, whole": Sampling(trajectories=60, frames=80, memory=5.0),
}
CORRELATION = 0.8
"""Of prediction and reference in paired cases."""
SPREADS = (0.25, 0.5)
SHIFTS = (0.1, 0.2, 0.8)
KAPPA = 0.7
TILTS = (0.3, 0.6, 1.2)


def all_cases() -> Iterator[Case]:
    """Means, shares, Wasserstein, Jensen-Shannon, free energy and timescale errors, from none to large."""
    for spread in SPREADS:
        yield _mean(spread)
    for paired in (False, True):
        null = _shifted(0.0, 1.0, paired)
        for shift in SHIFTS:
            simulate = _shifted(shift, 1.0, paired)
            yield Case(f"W1, normal shifted by {shift}", Wasserstein(), simulate, shift, paired, null)
        scaled = math.sqrt(2 / math.pi) * 0.4
        yield Case("W1, normal 1.4 times as wide", Wasserstein(), _shifted(0.0, 1.4, paired), scaled, paired, null)
        for shift in SHIFTS[::2]:
            share = float(ndtr(shift - 1.0) - ndtr(-1.0))
            simulate = _shifted(shift, 1.0, paired)
            yield Case(f"share above 1, shifted by {shift}", ShareDifference(1.0), simulate, share, paired, null)
        yield from _circles(paired)
    yield from _chains()


def _mean(spread: float) -> Case:
    """Deviations exp(spread z) with z normal: skewed, as RMSDs are, with mean exp(spread^2 / 2)."""

    def simulate(rng: np.random.Generator, sampling: Sampling) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        reference = sampling.normal(rng)
        return reference, reference + np.exp(spread * sampling.normal(rng))

    name = f"mean of log-normal deviations, sd of ln {spread}"
    return Case(name, MeanDeviation(), simulate, math.exp(spread**2 / 2), True)


def _pair(
    rng: np.random.Generator, sampling: Sampling, paired: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    reference, other = sampling.normal(rng), sampling.normal(rng)
    return reference, CORRELATION * reference + math.sqrt(1 - CORRELATION**2) * other if paired else other


def _shifted(shift: float, width: float, paired: bool) -> Simulate:
    def simulate(rng: np.random.Generator, sampling: Sampling) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        reference, prediction = _pair(rng, sampling, paired)
        return reference, shift + width * prediction

    return simulate


def _circles(paired: bool) -> Iterator[Case]:
    expected = Circle(KAPPA)

    def drawn(circle: Circle) -> Simulate:
        def simulate(rng: np.random.Generator, sampling: Sampling) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            reference, prediction = _pair(rng, sampling, paired)
            return expected.angles(reference), circle.angles(prediction)

        return simulate

    for metric in (JensenShannon(), FreeEnergy(bins=24)):
        for tilt in TILTS:
            circle = Circle(KAPPA, tilt)
            truth = metric.between(expected.bins(metric.bins), circle.bins(metric.bins))
            name = f"{metric.id}, circular density turned by {tilt}"
            yield Case(name, metric, drawn(circle), truth, paired, drawn(expected))


def _chains() -> Iterator[Case]:
    """Two and three states in a row; the prediction's jumps are all ``slower`` times as rare.

    A paired prediction jumps by the draws of the reference, so that the two mostly leave a state together.
    """
    for states, slower, paired in ((2, 1.5, False), (2, 2.5, False), (2, 2.5, True), (3, 2.0, False)):
        matrix = np.diag(np.full(states - 1, 0.12), 1) + np.diag(np.full(states - 1, 0.08), -1)
        np.fill_diagonal(matrix, 1.0 - matrix.sum(axis=1))
        slow = np.eye(states) + (matrix - np.eye(states)) / slower
        times = [np.sort(-1.0 / np.log(np.sort(np.linalg.eigvals(each).real)[:-1])) for each in (matrix, slow)]
        truth = float(np.abs(np.log(times[1] / times[0])).mean())
        name = f"timescales of {states} states, {slower} times as slow"
        yield Case(name, ChainTimescales(states), _jumping(matrix, slow, paired), truth, paired)


def _jumping(matrix: NDArray[np.float64], slow: NDArray[np.float64], paired: bool) -> Simulate:
    def simulate(rng: np.random.Generator, sampling: Sampling) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        seed = int(rng.integers(2**62))
        streams = [np.random.default_rng(seed), np.random.default_rng(seed if paired else seed + 1)]
        reference, prediction = (
            sampling.chain(stream, side).astype(np.float64)
            for stream, side in zip(streams, (matrix, slow), strict=True)
        )
        return reference, prediction

    return simulate
