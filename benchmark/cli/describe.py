"""``backmapbench datasets describe``: a dataset drawn on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backmapbench.cli.output import JsonFlag, out, print_json


def describe(
    name: Annotated[str, typer.Argument(help="Dataset on this machine, or a task card with data of your own.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Page to write; default: NAME.html.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Draw a dataset: Ramachandran and TICA maps, radius of gyration, energies, beads on the structure."""
    from backmapbench.describe import describe as write_page

    page = write_page(name, output or Path(f"{Path(name).stem}.html"))
    if as_json:
        print_json({"page": str(page)})
    else:
        out.print(f"wrote {page}", soft_wrap=True)
