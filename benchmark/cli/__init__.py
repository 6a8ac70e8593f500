"""The command line, one module for each group of commands."""

from __future__ import annotations

import logging
from importlib.metadata import version
from typing import Annotated, Any

import typer
from rich.logging import RichHandler
from rich.table import Table

from backmapbench.cli import datasets, describe, evaluate, freeze, mappings
from backmapbench.cli.output import JsonFlag, err, out, print_json
from backmapbench.cli.train import train
from backmapbench.errors import BackmapbenchError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(datasets.app, name="datasets")
app.add_typer(mappings.app, name="mappings")
datasets.app.command("describe")(describe.describe)
app.command("run")(evaluate.run)
app.command("report")(evaluate.report)
app.command("claims")(evaluate.claims)
app.command("beads")(evaluate.beads)
app.command("train")(train)
app.command("freeze")(freeze.freeze)


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


def main() -> None:
    """Entry point: an error that the user caused is one line on stderr and exit code 2."""
    try:
        app()
    except BackmapbenchError as error:
        err.print(f"[red]error:[/red] {error}", soft_wrap=True, highlight=False)
        raise SystemExit(2) from None
