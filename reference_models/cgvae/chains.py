"""Chains in two and three steps, from the same beads as the one-step rows: ``cgvae`` to C-alphas, then heavy atoms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from backmapbench.errors import SubmissionError, UnsupportedTaskError
from backmapbench.reference_models.cgvae.delivery import CITATION
from backmapbench.reference_models.cgvae.model import Cgvae
from backmapbench.reference_models.composition import Chain, Level
from backmapbench.reference_models.internal_coordinates.model import InternalCoordinates, InternalCoordinatesMode
from backmapbench.reference_models.levels import ca_level, carrying, run_level
from backmapbench.reference_models.multistep import GivenSingleAtoms, MultiStep, Plan, seen_by, step_seed
from backmapbench.submissions.protocol import Backmapper, ModelInfo, System, TrainingSet

if TYPE_CHECKING:
    from backmapbench.reference_models.training import TrainingRequest, TrainingResult
    from backmapbench.reference_models.training.loop import Progress

COARSE = "small-coarse"
RUN = 3  # residues of a particle of the three-step chain's coarser level


class CgvaeChain(MultiStep):
    """``cgvae`` from level to level, and another model from the C-alphas to the atoms.

    A row is a subclass whose only argument is ``weights``: training leaves a door to it.

    Args:
        name: of the row.
        way: the levels, in words.
        plan: levels for a system, coarse to fine; the finest are C-alphas.
        finer: from C-alphas to atoms; it is shown C-alphas alone.
        temperature: of ``cgvae``; 0 decodes the prior's mean.
        weights: folder that training wrote, used in place of what comes with the package.
        steps: how many are ``cgvae``'s.
    """

    def __init__(
        self,
        name: str,
        way: str,
        plan: Plan,
        finer: Backmapper,
        *,
        temperature: float = 1.0,
        weights: Path | None = None,
        steps: int = 1,
    ) -> None:
        given = [None] * steps if weights is None else _checkpoints(weights, steps)
        models: list[Backmapper] = [Cgvae("fixed", COARSE, temperature, path) for path in given]
        drawn = "latents are drawn from the prior at every step" if temperature else "means at every step"
        info = ModelInfo(
            name=name,
            description=f"A chain of models, {way} by {finer.info.name}; {drawn}.",
            deterministic=temperature == 0 and finer.info.deterministic,
            citation=CITATION,
            licence="MIT",
        )
        super().__init__(info, plan, [*models, GivenSingleAtoms(finer)])

    def presets(self) -> tuple[str, ...]:
        """Names of the presets."""
        from backmapbench.reference_models.cgvae.settings import presets

        return presets()

    def fit(self, system: System, training: TrainingSet, seed: int) -> None:
        """Take the weights of every step.

        Raises UnsupportedTaskError where none come with the package, and where beads are single atoms already.
        """
        from backmapbench.reference_models.training.errors import NoWeightsError, untrained

        if (np.diff(system.mapping.weights.indptr) == 1).any():
            raise UnsupportedTaskError(
                f"{self.info.name}: made for beads of several residues, the task has beads of single atoms; use a "
                "model from these to atoms"
            )
        try:
            super().fit(system, training, seed)
        except NoWeightsError as error:
            raise untrained(self.info.name) from error

    def train(
        self, system: System, training: TrainingSet, request: TrainingRequest, progress: Progress | None = None
    ) -> TrainingResult:
        """Train every step of ``cgvae`` in a folder of its own, and take the other model's weights.

        The result tells steps and seconds of all together, and losses of the last.

        Raises SubmissionError for a chain that is no row, and what the models raise.
        """
        from backmapbench.reference_models.training.delivery import write_door

        if type(self) is CgvaeChain:
            raise SubmissionError(
                f"{self.info.name}: is built from parts that its trained file could not name; train a subclass whose "
                "only argument is `weights`"
            )
        chain = self.build(system)
        results: list[TrainingResult] = []
        for number, (step, mapping, model) in enumerate(zip(chain.steps, chain.mappings, self.models, strict=True)):
            seen, seed = seen_by(training, mapping, step), step_seed(request.seed, number)
            if isinstance(model, Cgvae):
                own = replace(request, folder=_step_folder(request.folder, number), seed=seed)
                results.append(model.train(step, seen, own, progress))
            elif isinstance(model, GivenSingleAtoms):
                model.fit(step, seen, seed)
        files = _checkpoints(request.folder, len(results))
        write_door(request.folder, type(self).__module__, {"Trained": type(self).__name__}, files)
        steps, seconds = sum(result.steps for result in results), sum(result.seconds for result in results)
        return replace(results[-1], steps=steps, seconds=seconds)


class CgvaeTwoStep(CgvaeChain):
    """The k-step scheme of Kementzidis 2025 from the task's own beads: beads to C-alphas to heavy atoms."""

    def __init__(self, weights: Path | None = None) -> None:
        super().__init__("cgvae-2step", TWO, _ca, InternalCoordinates(), weights=weights)


class CgvaeTwoStepMode(CgvaeChain):
    """``CgvaeTwoStep`` with the prior's mean and the most central structure: a deterministic map."""

    def __init__(self, weights: Path | None = None) -> None:
        super().__init__("cgvae-2step@mode", TWO, _ca, InternalCoordinatesMode(), temperature=0.0, weights=weights)


class CgvaeTwoStepSeparate(CgvaeChain):
    """The published setting: beads are functions of the C-alphas alone, which carry nothing along."""

    def __init__(self, weights: Path | None = None) -> None:
        super().__init__("cgvae-2step-separate", TWO, _ca_alone, InternalCoordinates(), weights=weights)

    def build(self, system: System) -> Chain:
        """As ``MultiStep.build``; raises UnsupportedTaskError for beads that are no functions of the C-alphas."""
        try:
            return super().build(system)
        except SubmissionError as error:
            raise UnsupportedTaskError(f"{self.info.name}: made for beads of C-alphas alone: {error}") from error


class CgvaeThreeStep(CgvaeChain):
    """Beads to runs of residues to C-alphas to heavy atoms: the paper's future work."""

    def __init__(self, weights: Path | None = None) -> None:
        super().__init__("cgvae-3step", THREE, _runs_and_ca, InternalCoordinates(), weights=weights, steps=2)


TWO = "beads to CA by cgvae-fixed, CA to atoms"
THREE = f"beads to runs of {RUN} residues to CA by cgvae-fixed, CA to atoms"


def _ca(system: System) -> Sequence[Level]:
    return [carrying(ca_level(system), system)]


def _ca_alone(system: System) -> Sequence[Level]:
    return [ca_level(system)]


def _runs_and_ca(system: System) -> Sequence[Level]:
    runs = run_level(system, RUN)
    return [runs, carrying(ca_level(system), replace(system, mapping=runs.mapping))]


def _step_folder(folder: Path, number: int) -> Path:
    return folder / f"step-{number + 1}"


def _checkpoints(folder: Path, steps: int) -> list[Path]:
    from backmapbench.reference_models.training.delivery import FILE

    return [_step_folder(folder, number) / FILE for number in range(steps)]
