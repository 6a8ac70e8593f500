"""``backmapbench freeze``: fix greyed columns and what skill is measured by with a task's version."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backmapbench.cli.output import JsonFlag, out, print_json


def freeze(
    folder: Annotated[Path, typer.Argument(help="Folder of records with all control rows.")] = Path("results"),
    task: Annotated[str | None, typer.Option("--task", "-t", help="Only this task of the folder.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: the package's task folder.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write nulls, floors and greyed columns of a board's controls: they stay the same for this version of the task."""
    from backmapbench.board.freezing import to_freeze
    from backmapbench.board.frozen import FOLDER, write_frozen
    from backmapbench.board.rows import collect

    written = [write_frozen(to_freeze(board), output or FOLDER) for board in collect(folder, task)]
    if as_json:
        print_json([str(path) for path in written])
        return
    for path in written:
        out.print(f"wrote {path}", soft_wrap=True)
