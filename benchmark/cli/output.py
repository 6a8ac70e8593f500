"""What all commands share: consoles, the progress bar, JSON output."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

out = Console()
err = Console(stderr=True)
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


def progress_bar(quiet: bool) -> Progress:
    """A progress display on standard error; silent when output is JSON."""
    text = TextColumn("{task.description}")
    columns = (SpinnerColumn(), text, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=err, disable=quiet)


def print_json(content: object) -> None:
    """Write ``content`` to standard output as indented JSON."""
    sys.stdout.write(json.dumps(content, indent=1) + "\n")
