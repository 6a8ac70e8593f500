"""``backmapbench datasets hold-beads`` and ``pack-held``: conditional MD, from simulation to the dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backmapbench.cli.output import JsonFlag, err, out, print_json, progress_bar

TaskOption = Annotated[str, typer.Option("--task", "-t", help="Task name or path of a task card.")]


def hold_beads(
    task: TaskOption,
    frames: Annotated[
        int | None, typer.Option(min=2, help="Scored frames, spread evenly; default: the task's sampling.frames.")
    ] = None,
    samples: Annotated[
        int | None, typer.Option(min=8, help="Samples of each frame; default: the task's sampling.samples.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Run folder; default: TASK-held.")] = None,
    run: Annotated[
        Path | None, typer.Option("--run", help="Run that made the dataset, for atoms that it does not store.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes, one core each.")] = 1,
    settle_ps: Annotated[float, typer.Option("--settle-ps", help="Time at the task's temperature per sample.")] = 4.0,
    warm_temperature: Annotated[
        float, typer.Option("--warm-temperature", min=0.0, help="Of a warm stage before that, K; 0: none.")
    ] = 0.0,
    warm_ps: Annotated[
        float, typer.Option("--warm-ps", min=0.0, help="Time at that temperature, and again as long for cooling.")
    ] = 0.0,
    as_json: JsonFlag = False,
) -> None:
    """Draw atoms again at the beads of scored frames; run again to continue after an interruption."""
    from backmapbench.conditional import held_frames
    from backmapbench.datasets.simulation.drawing import Drawing
    from backmapbench.datasets.simulation.held import hold_beads as draw_samples
    from backmapbench.tasks import load_task

    loaded = load_task(task)
    drawing = Drawing(samples or loaded.card.sampling.samples, settle_ps, warm_temperature, warm_ps)
    folder = output or Path(f"{loaded.card.name}-held")
    recipe, chosen = held_frames(loaded, frames, folder, run)
    try:
        with progress_bar(as_json) as progress:
            bar = progress.add_task(f"holding the beads of {loaded.card.name}", total=len(chosen.starts))

            def tell(finished: int, total: int) -> None:
                progress.update(bar, completed=finished, total=total)

            provenance = draw_samples(recipe, chosen, drawing, folder, workers, tell)
    except KeyboardInterrupt:
        err.print(f"interrupted; run the same command again to continue in {folder}")
        raise typer.Exit(130) from None
    if as_json:
        print_json(provenance)
    else:
        out.print(
            f"{drawing.samples} samples at each of {len(chosen.starts)} frames in {folder} "
            f"({provenance['core_seconds']:g} core seconds)",
            soft_wrap=True,
        )


def pack_held(
    task: TaskOption,
    held: Annotated[Path, typer.Option("--held", help="Folder of a finished `hold-beads`.")],
    as_json: JsonFlag = False,
) -> None:
    """Store the samples of a finished `hold-beads` beside the dataset and list them in its card (for maintainers)."""
    from backmapbench.conditional import pack
    from backmapbench.tasks import load_task

    card, measured = pack(load_task(task), held)
    if as_json:
        print_json({"card": str(card), "measured": measured})
        return
    for name, value in measured.items():
        out.print(f"{name}: {value}")
    out.print(f"wrote {card}", soft_wrap=True)
