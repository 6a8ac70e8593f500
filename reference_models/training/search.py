"""Hyperparameter search on the validation loss: Optuna's tree-structured Parzen estimator with the hyperband pruner."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import tomli_w
from pydantic import Field

from backmapbench.files import atomic_write
from backmapbench.reference_models.training.errors import TrainingError, missing
from backmapbench.reference_models.training.loop import Validated
from backmapbench.reference_models.training.settings import Strict

STUDY, FOUND = "study.log", "best.toml"


class Range(Strict):
    """Numbers between two bounds."""

    low: float
    high: float
    log: bool = False
    kind: Literal["float", "int"] = "float"


class Choice(Strict):
    """One of these values."""

    choices: list[float | int | str | bool] = Field(min_length=1)


Space = dict[str, Range | Choice]
"""By entry of a preset, dots between tables."""


def search(
    trial_loss: Callable[[tuple[str, ...], Path, Validated], float],
    space: Space,
    trials: int,
    steps: tuple[int, int],
    seed: int,
    folder: Path,
) -> tuple[str, ...]:
    """Entries as ``key=value`` of the trial with the lowest validation loss.

    Args:
        trial_loss: trains with (changed entries, folder of its own, what to tell validation losses to) and returns the
            lowest validation loss; lets the exception of the callback through, by which a trial is given up.
        space: what is varied.
        trials: how many trials there are to be in all; a search in ``folder`` is continued.
        steps: steps of the first validation, and of a full trial: the hyperband's smallest and largest budget.
        seed: of the sampler.
        folder: for trials, the study and ``best.toml``.

    Raises TrainingError without anything to vary, or when no trial came to its end, or without Optuna.
    """
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ModuleNotFoundError as error:
        raise missing(error) from error

    if not space:
        raise TrainingError("the preset has no [search] table; add entries with low and high, or choices")
    folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name="validation loss",
        storage=JournalStorage(JournalFileBackend(str(folder / STUDY))),
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.HyperbandPruner(min_resource=steps[0], max_resource=steps[1]),
        load_if_exists=True,
    )

    def objective(trial: Any) -> float:
        changes = tuple(f"{key}={_toml(_suggest(trial, key, entry))}" for key, entry in space.items())

        def tell(step: int, loss: float) -> None:
            trial.report(loss, step)
            if trial.should_prune():
                raise optuna.TrialPruned

        return trial_loss(changes, folder / f"trial-{trial.number:03d}", tell)

    study.optimize(objective, n_trials=max(0, trials - len(study.trials)), catch=(TrainingError,))
    if not study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,)):
        raise TrainingError(f"{folder}: no trial came to its end; see the logs in its folders, or ask for more trials")
    with atomic_write(folder / FOUND) as handle:
        tomli_w.dump({"loss": study.best_value, "trial": study.best_trial.number, "entries": study.best_params}, handle)
    return tuple(f"{key}={_toml(value)}" for key, value in study.best_params.items())


def _suggest(trial: Any, key: str, entry: Range | Choice) -> Any:
    if isinstance(entry, Choice):
        return trial.suggest_categorical(key, entry.choices)
    if entry.kind == "int":
        return trial.suggest_int(key, int(entry.low), int(entry.high), log=entry.log)
    return trial.suggest_float(key, entry.low, entry.high, log=entry.log)


def _toml(value: Any) -> str:
    return tomli_w.dumps({"value": value}).partition("=")[2].strip()
