"""Control rows that read the answer, so only the harness can make them: they calibrate the board.

What must hold for each stands in the control table of the metric definitions. Lookup and bead centre are controls too,
but see only what any backmapper sees, so they enter by the common door (``backmapbench.reference_models``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backmapbench.conditional import has_conditional, load_conditional
from backmapbench.submissions import ModelInfo
from backmapbench.superposition import superpose
from backmapbench.tasks import Task

Prediction = NDArray[np.float32]  # (samples, frames, atoms, 3), nm


@dataclass(frozen=True)
class Control:
    """A control row.

    ``paired`` False: its frames are not those of the reference (fresh MD). ``sampled``: it has several samples of the
    task's sampled frames and nothing else (conditional MD). ``present``: whether the task's data hold what it takes.
    """

    info: ModelInfo
    make: Callable[[Task, int], Prediction]
    paired: bool = True
    sampled: bool = False
    present: Callable[[Task], bool] = lambda _task: True


def _oracle(task: Task, seed: int) -> Prediction:
    return task.atoms(task.card.splits.scored).positions[None]


def _fresh(task: Task, seed: int) -> Prediction:
    return task.fresh().positions[None]


def _conditional(task: Task, seed: int) -> Prediction:
    return load_conditional(task).positions


def _shuffled(task: Task, seed: int) -> Prediction:
    reference = task.atoms(task.card.splits.scored).positions
    return reference[np.random.default_rng(seed).permutation(len(reference))][None]


def _mirror(task: Task, seed: int) -> Prediction:
    reference = task.atoms(task.card.splits.scored).positions
    reflected = reference * np.array([-1.0, 1.0, 1.0])
    return superpose(reflected, reference).astype(np.float32)[None]


def _jitter(sd_angstrom: float) -> Callable[[Task, int], Prediction]:
    def make(task: Task, seed: int) -> Prediction:
        reference = task.atoms(task.card.splits.scored).positions
        noise = np.random.default_rng(seed).normal(scale=sd_angstrom / 10, size=reference.shape)
        return (reference + noise).astype(np.float32)[None]

    return make


def _named(name: str, description: str) -> ModelInfo:
    return ModelInfo(name=name, description=description, looks_ahead=True)


CONTROLS: dict[str, Control] = {
    "oracle": Control(_named("oracle", "The reference itself: every ranked error is 0."), _oracle),
    "fresh-md": Control(
        _named("fresh-md", "Independent MD as long as the test set: what independent sampling alone costs."),
        _fresh,
        paired=False,
        present=lambda task: task.card.splits.fresh is not None,
    ),
    "conditional-md": Control(
        _named("conditional-md", "Scored frames drawn again by MD with their beads held: p(atoms given beads) itself."),
        _conditional,
        sampled=True,
        present=has_conditional,
    ),
    "shuffled": Control(_named("shuffled", "The reference with its frames in random order."), _shuffled),
    "mirror": Control(_named("mirror", "The reference reflected, then superposed by a proper rotation."), _mirror),
} | {
    f"jitter-{sd}": Control(
        _named(f"jitter-{sd}", f"The reference plus Gaussian noise of {sd} Angstrom per coordinate."), _jitter(sd)
    )
    for sd in (0.05, 0.1, 0.3)
}
