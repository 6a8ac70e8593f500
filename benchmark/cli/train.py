"""``backmapbench train``: a reference model trained by one of its presets, outside of any board."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from backmapbench.cli.output import JsonFlag, err, out, print_json, progress_bar
from backmapbench.errors import SubmissionError


def train(
    model: Annotated[str, typer.Argument(help="Installed model or file.py:Class that is trained by presets.")],
    task: Annotated[str, typer.Option("--task", "-t", help="Task name or path of a task card.")],
    preset: Annotated[str | None, typer.Option("--preset", "-p", help="Default: the model's own choice.")] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="key=value in place of the preset's, as training.steps=1000.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Run folder; default: MODEL-TASK.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of initial weights and everything drawn.")] = 0,
    search: Annotated[int, typer.Option("--search", min=0, help="Trials over the preset's [search] table first.")] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Train a model on a task's training split; run again to continue after an interruption."""
    from backmapbench.reference_models.training import PresetTrainable, TrainingRequest
    from backmapbench.submissions.registry import load_model
    from backmapbench.tasks import load_task

    loaded, _ = load_model(model)
    if not isinstance(loaded, PresetTrainable):
        raise SubmissionError(f"model '{model}' is not trained by presets; `backmapbench run` fits it where needed")
    given = load_task(task)
    folder = output or Path(f"{loaded.info.name}-{given.card.name}")
    request = TrainingRequest(preset, tuple(changes or ()), folder, seed, search)
    try:
        with progress_bar(as_json) as progress:
            bar = progress.add_task(f"training {loaded.info.name} on {given.card.name}", total=None)

            def tell(step: int, total: int, losses: dict[str, float]) -> None:
                label = f"{loaded.info.name}: loss {losses['loss']:.3g}"
                progress.update(bar, completed=step, total=total, description=label)

            result = loaded.train(given.system, given.training_set(), request, tell)
    except KeyboardInterrupt:
        err.print(f"interrupted; run the same command again to continue in {folder}")
        raise typer.Exit(130) from None
    if as_json:
        best = result.best if math.isfinite(result.best) else None  # JSON has no infinity
        numbers = {"steps": result.steps, "seconds": result.seconds, "best": best, "best_step": result.best_step}
        print_json({"folder": str(folder), "log": str(result.log)} | numbers)
        return
    out.print(
        f"{result.steps} steps in {result.seconds:.0f} s; lowest validation loss {result.best:.4g}", soft_wrap=True
    )
    out.print(
        f"log and weights in {folder}; `backmapbench run -t {task} -m {folder}/model.py:Trained` scores it",
        soft_wrap=True,
    )
