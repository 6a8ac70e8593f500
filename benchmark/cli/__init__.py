"""The command line: ``backmapbench ls | run | report | beads | datasets``."""

from __future__ import annotations

import logging
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.logging import RichHandler
from rich.table import Table

from backmapbench.cli import datasets, describe, freeze
from backmapbench.cli.output import JsonFlag, err, out, print_json, progress_bar
from backmapbench.errors import BackmapbenchError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(datasets.app, name="datasets")
datasets.app.command("describe")(describe.describe)
app.command("freeze")(freeze.freeze)

DEFAULT_TASK = "adp-mini-temporal"


@app.callback()
def _setup(verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show log messages.")] = False) -> None:
    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(message)s", handlers=[RichHandler(console=err, show_path=False)])


@app.command()
def ls(as_json: JsonFlag = False) -> None:
    """List tasks, datasets, models, controls and metrics, with where each comes from."""
    from backmapbench.controls import CONTROLS
    from backmapbench.datasets.catalogue import dataset_names, load_dataset
    from backmapbench.metrics import METRICS, metric_class
    from backmapbench.submissions.registry import installed_models
    from backmapbench.tasks.card import find_card, task_names
    from backmapbench.tasks.card import read_card as read_task

    own = f"backmapbench {version('backmapbench')}"
    tasks = [read_task(find_card(name)) for name in task_names()]
    cards = [load_dataset(name).card for name in dataset_names()]
    content: dict[str, list[dict[str, Any]]] = {
        "tasks": [
            {"name": t.name, "version": t.version, "dataset": t.dataset, "title": t.title, "origin": own} for t in tasks
        ],
        "datasets": [
            {"name": c.name, "version": c.version, "tier": c.tier, "title": c.title, "origin": own} for c in cards
        ],
        "models": [{"name": m.name, "target": m.target, "origin": m.origin} for m in installed_models()],
        "controls": [
            {"name": name, "description": control.info.description, "origin": own} for name, control in CONTROLS.items()
        ],
        "metrics": [],
    }
    for name in METRICS:
        metric = metric_class(name)
        scores = {score.id: score.summary for score in metric.scores}
        unit = metric.scores[0].unit
        content["metrics"].append(
            {"name": name, "version": metric.version, "unit": unit, "scores": scores, "origin": own}
        )
    if as_json:
        print_json(content)
        return
    for kind, entries in content.items():
        table = Table(title=kind, title_justify="left", title_style="bold")
        columns = [key for key in entries[0] if key != "scores"] if entries else []
        for column in columns:
            table.add_column(column)
        for entry in entries:
            table.add_row(*(str(entry[column]) for column in columns))
        out.print(table)


@app.command()
def run(
    task: Annotated[str, typer.Option("--task", "-t", help="Task name or path of a task card.")] = DEFAULT_TASK,
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
    """Run backmappers and controls on a task and write one record each."""
    from backmapbench.controls import CONTROLS
    from backmapbench.runner import PROTOCOL_CONTROLS, Row, Settings, plan, prepare_folder, run_rows
    from backmapbench.submissions.registry import installed_models
    from backmapbench.tasks import load_task

    settings = Settings(output, resume, samples, chunk_frames, skip_unsupported=not model)
    prepare_folder(settings)
    loaded = load_task(task)
    names = list(model) if model else [entry.name for entry in installed_models()]
    if controls:
        always = [*CONTROLS, *PROTOCOL_CONTROLS]
        names = always + [name for name in names if name not in always]
    rows = plan(loaded, names, list(range(seeds)))
    resumed: list[str] = []
    left_out: list[str] = []
    try:
        with progress_bar(as_json) as progress:
            bar = progress.add_task("starting", total=len(rows))

            def notify(row: Row, stage: str) -> None:
                label = f"{row.name} seed {row.seed}"
                if stage == "resumed":
                    resumed.append(label)
                if stage.startswith("left out: "):
                    left_out.append(f"{label} {stage}")
                progress.update(bar, description=f"{label}: {stage}", completed=rows.index(row))

            records = run_rows(loaded, rows, settings, notify)
            progress.update(bar, completed=len(rows), description="done")
    except KeyboardInterrupt:
        err.print(f"interrupted; finished rows are in {output}: run the same command with --resume to go on")
        raise typer.Exit(130) from None
    failed = [(r.model.name, name, m.reason) for r in records for name, m in r.metrics.items() if m.status == "failed"]
    if as_json:
        dumped = [record.model_dump() for record in records]
        print_json({"folder": str(output), "resumed": resumed, "left_out": left_out, "records": dumped})
        return
    if resumed:
        out.print(f"resumed: {len(resumed)} of {len(rows)} rows were finished already and kept")
    for line in left_out:
        out.print(f"[yellow]{line}[/yellow]", soft_wrap=True)
    for name, metric, reason in failed:
        out.print(f"[yellow]{name}: {metric} failed: {reason}[/yellow]")
    out.print(f"{len(records)} records in {output}; `backmapbench report {output}` draws the board", soft_wrap=True)


@app.command()
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


@app.command()
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


def main() -> None:
    """Entry point: an error that the user caused is one line on stderr and exit code 2."""
    try:
        app()
    except BackmapbenchError as error:
        err.print(f"[red]error:[/red] {error}", soft_wrap=True, highlight=False)
        raise SystemExit(2) from None
