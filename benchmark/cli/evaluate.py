"""``backmapbench run | report | beads``: rows scored, boards drawn, and what a backmapper sees written out."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backmapbench.cli.output import JsonFlag, err, out, print_json, progress_bar

if TYPE_CHECKING:
    from rich.progress import Progress

    from backmapbench.planning import Settings
    from backmapbench.records import Record
    from backmapbench.tasks import Task

DEFAULT_TASK = "adp-mini-temporal"


def run(
    task: Annotated[
        list[str] | None,
        typer.Option("--task", "-t", help="Task name or path of a task card; repeatable. Default: adp-mini-temporal."),
    ] = None,
    embedded: Annotated[bool, typer.Option("--embedded", help="Every task whose data ship with the package.")] = False,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model", "-m", help="Model, control, file.py:Class or prediction folder; repeatable. All if none."
        ),
    ] = None,
    controls: Annotated[bool, typer.Option(help="Also run the control rows, without which nothing is greyed.")] = True,
    seeds: Annotated[int, typer.Option(min=1, help="Seeds 0 ... N-1 for models that draw samples.")] = 1,
    samples: Annotated[int, typer.Option(min=1, help="Samples per frame asked of models.")] = 1,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for records.")] = Path("results"),
    resume: Annotated[bool, typer.Option("--resume", help="Keep records that fit; run only the rest.")] = False,
    chunk_frames: Annotated[int, typer.Option(min=1, help="Frames scored at a time.")] = 2000,
    as_json: JsonFlag = False,
) -> None:
    """Run backmappers and controls on tasks and write one record each."""
    from backmapbench.planning import Settings, prepare_folder
    from backmapbench.tasks import embedded_tasks, load_task

    settings = Settings(output, resume, samples, chunk_frames, skip_unsupported=not model or embedded)
    prepare_folder(settings)
    names = [*(task or []), *(name for name in (embedded_tasks() if embedded else []) if name not in (task or []))]
    outcome = _Outcome()
    try:
        with progress_bar(as_json) as progress:
            for name in names or [DEFAULT_TASK]:
                _run_task(load_task(name), (model, controls, seeds), settings, progress, outcome)
    except KeyboardInterrupt:
        err.print(f"interrupted; finished rows are in {output}: run the same command with --resume to go on")
        raise typer.Exit(130) from None
    if as_json:
        dumped = [record.model_dump() for record in outcome.records]
        told = {"resumed": outcome.resumed, "left_out": outcome.left_out, "set_aside": outcome.set_aside}
        print_json({"folder": str(output)} | told | {"records": dumped})
        return
    if outcome.resumed:
        out.print(f"resumed: {len(outcome.resumed)} of {outcome.rows} rows were finished already and kept")
    for line in outcome.left_out + outcome.set_aside:
        out.print(f"[yellow]{line}[/yellow]", soft_wrap=True)
    for record in outcome.records:
        for name, entry in record.metrics.items():
            if entry.status == "failed":
                out.print(f"[yellow]{record.model.name}: {name} failed: {entry.reason}[/yellow]", soft_wrap=True)
    out.print(
        f"{len(outcome.records)} records in {output}; `backmapbench report {output}` draws the board", soft_wrap=True
    )


@dataclass
class _Outcome:
    """What became of the rows so far."""

    rows: int = 0
    records: list[Record] = field(default_factory=list)
    resumed: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    set_aside: list[str] = field(default_factory=list)


def _run_task(
    task: Task,
    asked: tuple[list[str] | None, bool, int],
    settings: Settings,
    progress: Progress,
    outcome: _Outcome,
) -> None:
    """All rows of one task; ``asked``: models (None: all), whether with controls, and the number of seeds."""
    from backmapbench.controls import CONTROLS
    from backmapbench.planning import PROTOCOL_CONTROLS, Row, plan
    from backmapbench.runner import run_rows
    from backmapbench.submissions.registry import installed_models

    model, controls, seeds = asked
    names = list(model) if model else [entry.name for entry in installed_models()]
    if controls:
        always = [*CONTROLS, *PROTOCOL_CONTROLS]
        names = always + [name for name in names if name not in always]
    rows = plan(task, names, list(range(seeds)))
    bar = progress.add_task(task.card.name, total=len(rows))
    outcome.rows += len(rows)

    def notify(row: Row, stage: str) -> None:
        label = f"{row.task}: {row.name} seed {row.seed}"
        if stage == "resumed":
            outcome.resumed.append(label)
        if stage.startswith("left out: "):
            outcome.left_out.append(f"{label} {stage}")
        if stage.startswith("set aside: "):
            outcome.set_aside.append(f"{row.task}: {row.name} {stage}")
        progress.update(bar, description=f"{label}: {stage}", completed=rows.index(row))

    outcome.records += run_rows(task, rows, settings, notify)
    progress.update(bar, completed=len(rows), description=f"{task.card.name}: done")


def report(
    folder: Annotated[Path, typer.Argument(help="Folder of records.")] = Path("results"),
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: beside the records.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Print the board and write it as a page (index.html), Markdown, CSV and JSON."""
    from backmapbench.board import render_terminal, write_report

    written = write_report(folder, output)
    if as_json:
        board = next(path for path in written if path.suffix == ".json")
        sys.stdout.write(board.read_text(encoding="utf-8") + "\n")
        return
    for part in render_terminal(folder):
        out.print(part)
    for path in written:
        out.print(f"wrote {path}", soft_wrap=True)


def claims(
    folder: Annotated[Path, typer.Argument(help="Folder of records.")] = Path("results"),
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: beside the records.")] = None,
    file: Annotated[
        list[Path] | None,
        typer.Option("--claims", "-c", help="TOML file of claims; repeatable."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Judge papers' claims by the records in a folder, and write the verdicts as a page, Markdown and JSON."""
    from backmapbench.studies.claims import write_claims
    from backmapbench.studies.claims.summary import summary

    written = write_claims(folder, output, file or ())
    data = next(path for path in written if path.suffix == ".json")
    if as_json:
        sys.stdout.write(data.read_text(encoding="utf-8") + "\n")
        return
    out.print(summary(data), end="", highlight=False, soft_wrap=True)
    for path in written:
        out.print(f"wrote {path}", soft_wrap=True)
    if not (data.parent / "index.html").is_file():
        out.print(f"`backmapbench report {folder}` draws the board that they link to", soft_wrap=True)


def beads(
    folder: Annotated[Path, typer.Argument(help="Empty folder to write to.")],
    task: Annotated[str, typer.Option("--task", "-t", help="Task name or path of a task card.")] = DEFAULT_TASK,
    as_json: JsonFlag = False,
) -> None:
    """Write what a backmapper sees of a task, for programs outside Python; score their output with `run -m FOLDER`."""
    from backmapbench.errors import DataError
    from backmapbench.submissions.predictions import write_input
    from backmapbench.tasks import load_task

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder}: is not an empty folder; give another")
    loaded = load_task(task)
    written = write_input(folder, loaded.system, loaded.beads(loaded.card.splits.scored), loaded.card.name)
    if as_json:
        print_json([str(path) for path in written])
    else:
        out.print(f"wrote {len(written)} files to {folder}", soft_wrap=True)
