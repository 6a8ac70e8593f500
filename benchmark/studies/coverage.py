"""How often the board's 95 % intervals contain the truth: processes with known answers through the board's own code.

Every run simulates a reference and a prediction, finds the block length from the reference, cuts pieces, draws moving
blocks and applies the interval rule, all as ``Evaluator`` does. ``floor`` is the mean value where there is no
difference: what sampling alone costs. Run ``python -m backmapbench.studies.coverage --help``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from backmapbench.blocks import BlockPlan
from backmapbench.bootstrap import Stacked, draw_weights, replicate_scores
from backmapbench.correlation import block_frames
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.evaluation import Chunks
from backmapbench.intervals import interval
from backmapbench.metrics.frames import Frames
from backmapbench.studies.known import Known
from backmapbench.studies.processes import Sampling

CONFIDENCE = 0.95
Simulate = Callable[[np.random.Generator, Sampling], tuple[NDArray[np.float64], NDArray[np.float64]]]


@dataclass(frozen=True)
class Case:
    """A process with a known answer: ``simulate`` gives reference and prediction, (trajectories, frames) each."""

    name: str
    metric: Known
    simulate: Simulate
    truth: float
    paired: bool
    null: Simulate | None = None


@dataclass(frozen=True)
class Coverage:
    """Shares of runs (in percent) in which the interval, and its upper bound alone, held.

    ``floor`` is NaN for a case without a null. ``blocks``: independent blocks, mean over runs.
    """

    case: Case
    runs: int
    floor: float
    blocks: float
    held: float
    upper_held: float

    @property
    def floors(self) -> float:
        """The truth in floors."""
        return self.case.truth / self.floor

    @property
    def demand(self) -> Demand:
        """What is asked of the case."""
        if self.case.null is None:
            return PLAIN
        return FAR if self.floors >= FAR_FLOORS else NEAR

    @property
    def share(self) -> float:
        """The share that the demand is about, %."""
        return self.upper_held if self.demand.upper else self.held

    @property
    def line(self) -> str:
        """A row of the table."""
        floors = f"{self.floors:6.2f}" if np.isfinite(self.floor) else "     -"
        return (
            f"| {self.case.name:51s} | {'same' if self.case.paired else 'own':6s} | {self.blocks:6.1f} "
            f"| {self.case.truth:7.4f} | {floors} | {self.held:8.1f} | {self.upper_held:11.1f} "
            f"| {self.demand.low:g}-{self.demand.high:g} |"
        )


@dataclass(frozen=True)
class Demand:
    """Coverage asked for, %: of the interval, or with ``upper`` of its upper bound alone."""

    name: str
    low: float
    high: float
    upper: bool = False


FAR_FLOORS = 3.0
PLAIN = Demand("means and timescales", 93.0, 97.0)
FAR = Demand("distances of three floors and more", 90.0, 99.0)
NEAR = Demand("upper bounds of smaller distances", 95.0, 100.0, upper=True)

HEADER = (
    "| case                                                | blocks | number |   truth | floors | held (%) "
    "| upper held% | asked |\n"
    "|---|---|---:|---:|---:|---:|---:|---|"
)


def pooled(found: Sequence[Coverage]) -> Iterator[tuple[Demand, float, float, float]]:
    """Demands with the share of all their runs, its standard error and the worst case's share, %."""
    for demand in (PLAIN, FAR, NEAR):
        cases = [each for each in found if each.demand is demand]
        if cases:
            runs = sum(each.runs for each in cases)
            share = sum(each.share * each.runs for each in cases) / runs
            worst = min((each.share for each in cases), key=lambda s: min(s - demand.low, demand.high - s))
            yield demand, share, float(np.sqrt(max(share * (100 - share), 1.0) / runs)), worst


def measure(case: Case, sampling: Sampling, runs: int, replicates: int, seed: int = 0) -> Coverage:
    """Coverage of ``case`` over ``runs`` independent simulations."""
    held = np.empty((runs, 2), dtype=bool)
    blocks = np.empty(runs)
    for run, stream in enumerate(np.random.SeedSequence(seed).spawn(runs)):
        rng = np.random.default_rng(stream)
        _, low, high, blocks[run] = score(case, case.simulate(rng, sampling), sampling, replicates, run)
        held[run] = low <= case.truth <= high, case.truth <= high
    floor = _floor(case, sampling, runs=max(20, runs // 10), seed=seed)
    return Coverage(case, runs, floor, float(blocks.mean()), *(100 * held.mean(axis=0)).tolist())


def score(
    case: Case, sides: Sequence[NDArray[np.float64]], sampling: Sampling, replicates: int, seed: int
) -> tuple[float, float, float, int]:
    """Value, bounds and number of blocks of one simulation, as ``Evaluator`` finds them."""
    reference, prediction = (sampling.as_trajectories(side) for side in sides)
    plan = BlockPlan.of(reference.lengths, block_frames(_slow(reference), reference.lengths))
    stacked = Stacked.of([case.metric.statistics(*pair) for pair in _pieces(case.metric, reference, prediction, plan)])
    weights = draw_weights(plan, None if case.paired else plan, replicates, seed)
    values, draws = replicate_scores(case.metric, stacked, weights)
    value = values[case.metric.id]
    low, high = interval(value, draws[case.metric.id], CONFIDENCE, case.metric.distance, plan.blocks)
    return value, low, high, plan.blocks


def _slow(reference: Trajectories) -> NDArray[np.complex128]:
    return reference.positions[:, :1, 0].astype(np.complex128)


def _pieces(
    metric: Known, reference: Trajectories, prediction: Trajectories, plan: BlockPlan
) -> list[tuple[Frames, Frames]]:
    """Reference and prediction of every piece, in one chunk each."""
    sides = [Chunks(side.positions[None], plan, len(side)).all(metric.lead) for side in (reference, prediction)]
    return [(left[0], right[0]) for left, right in zip(*sides, strict=True)]


def _floor(case: Case, sampling: Sampling, runs: int, seed: int) -> float:
    """Mean value where reference and prediction do not differ."""
    if case.null is None:
        return float("nan")
    plan = BlockPlan.of((sampling.frames,) * sampling.trajectories, float("inf"))
    found = []
    for stream in np.random.SeedSequence(seed + 1).spawn(runs):
        sides = case.null(np.random.default_rng(stream), sampling)
        reference, prediction = (sampling.as_trajectories(side) for side in sides)
        pieces = [case.metric.statistics(*pair) for pair in _pieces(case.metric, reference, prediction, plan)]
        ones = np.ones(len(pieces))
        found.append(case.metric.value(Stacked.of(pieces).merge(ones, ones))[case.metric.id])
    return float(np.mean(found))


def main(
    runs: Annotated[int, typer.Option(min=20, help="Simulations per case.")] = 400,
    replicates: Annotated[int, typer.Option(min=50, help="Bootstrap replicates per simulation.")] = 200,
    only: Annotated[str, typer.Option(help="Cases whose name contains this.")] = "",
    sampled: Annotated[str, typer.Option(help="Ways of sampling whose title contains this.")] = "",
) -> None:
    """Print the table of coverage, one line a case as it is done."""
    from backmapbench.studies.cases import SAMPLINGS, all_cases

    found = []
    for title, sampling in SAMPLINGS.items():
        if sampled not in title:
            continue
        sys.stdout.write(f"\n{title}\n\n{HEADER}\n")
        for case in all_cases():
            if only in case.name:
                found.append(measure(case, sampling, runs, replicates))
                sys.stdout.write(found[-1].line + "\n")
                sys.stdout.flush()
    sys.stdout.write("\n| all runs of | asked (%) | held (%) | s.e. | worst case (%) |\n|---|---|---:|---:|---:|\n")
    for demand, share, error, worst in pooled(found):
        line = f"| {demand.name} | {demand.low:g}-{demand.high:g} | {share:.1f} | {error:.1f} | {worst:.1f} |\n"
        sys.stdout.write(line)


if __name__ == "__main__":
    typer.run(main)
