"""Energy score: a plain double loop as oracle, closed forms, and that nothing beats the true distribution."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.metrics.base import MetricContext
from backmapbench.metrics.energy_score import EnergyScore
from backmapbench.metrics.rmsd import Rmsd

Evaluate = Callable[..., dict[str, float]]
ID = "energy_score_angstrom"


@pytest.fixture(scope="module")
def metric(make_context: Callable[..., MetricContext]) -> EnergyScore:
    return EnergyScore.fit(make_context())


def around(reference: Trajectories, sd: float, samples: int, seed: int) -> NDArray[np.float64]:
    noise = np.random.default_rng(seed).normal(scale=sd, size=(samples, *reference.positions.shape))
    return reference.positions + noise


def test_definition(metric: EnergyScore, reference: Trajectories, evaluate: Evaluate) -> None:
    drawn = around(reference, 0.02, 8, 0)[:, :4]
    heavy = [1, 4, 5, 6, 8, 10, 14, 15, 16, 18]

    def rmsd(a: NDArray, b: NDArray) -> float:
        return float(np.sqrt(((a[heavy] - b[heavy]) ** 2).sum(axis=1).mean()))

    expected = np.mean(
        [
            np.mean([rmsd(sample[frame], reference.positions[frame]) for sample in drawn])
            - 0.5 * np.mean([rmsd(a[frame], b[frame]) for a, b in permutations(drawn, 2)])
            for frame in range(4)
        ]
    )
    assert evaluate(metric, reference.positions[:4], drawn)[ID] == pytest.approx(10 * expected)


def test_a_deterministic_map_scores_its_rmsd(
    metric: EnergyScore, make_context: Callable[..., MetricContext], reference: Trajectories, evaluate: Evaluate
) -> None:
    drawn = np.repeat(around(reference, 0.02, 1, 1), 8, axis=0)
    rmsd = evaluate(Rmsd.fit(make_context()), reference.positions, drawn)["rmsd_angstrom"]
    assert evaluate(metric, reference.positions, drawn)[ID] == pytest.approx(rmsd)


def test_nothing_beats_the_true_distribution(metric: EnergyScore, rest: NDArray, evaluate: Evaluate) -> None:
    """Truth and samples are normal around one centre: sharper, wider and shifted samples all score worse."""
    rng = np.random.default_rng(2)
    truth = rest + rng.normal(scale=0.02, size=(400, 22, 3))

    def score(sd: float, shift: float = 0.0) -> float:
        return evaluate(metric, truth, rest + shift + rng.normal(scale=sd, size=(16, 400, 22, 3)))[ID]

    best = score(0.02)
    assert best < min(score(0.0), score(0.01), score(0.04), score(0.02, shift=0.01))


def test_exchangeable_samples_score_half_their_distance(metric: EnergyScore, rest: NDArray, evaluate: Evaluate) -> None:
    drawn = rest + np.random.default_rng(3).normal(scale=0.02, size=(17, 400, 22, 3))
    # Distances of two normal points in 3 n dimensions: sqrt(2) sd sqrt(chi^2_3n / n); n = 10 atoms.
    chi = np.sqrt(np.random.default_rng(4).chisquare(30, 200_000) / 10).mean()
    expected = 10 * np.sqrt(2) * 0.02 * chi / 2
    assert evaluate(metric, drawn[0], drawn[1:])[ID] == pytest.approx(expected, rel=0.01)


def test_the_number_of_samples_changes_the_expectation_by_nothing(
    metric: EnergyScore, rest: NDArray, evaluate: Evaluate
) -> None:
    rng = np.random.default_rng(5)
    truth = rest + rng.normal(scale=0.02, size=(400, 22, 3))
    scores = [evaluate(metric, truth, rest + rng.normal(scale=0.03, size=(s, 400, 22, 3)))[ID] for s in (8, 32)]
    assert scores[0] == pytest.approx(scores[1], rel=0.01)
