"""``python -m backmapbench.studies.claims``: verdicts on papers' claims, printed and written as pages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from backmapbench.errors import BackmapbenchError
from backmapbench.studies.claims.page import write_claims
from backmapbench.studies.claims.summary import summary


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of records.")] = Path("results"),
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: beside the records.")] = None,
    claims: Annotated[
        list[Path] | None,
        typer.Option("--claims", "-c", help="TOML file of claims; repeatable. Default: the package's."),
    ] = None,
) -> None:
    """Judge papers' claims by the records in a folder; write claims.html, claims.md and claims.json."""
    try:
        written = write_claims(folder, output, claims or ())
    except BackmapbenchError as error:
        sys.stderr.write(f"error: {error}\n")
        raise typer.Exit(2) from None
    sys.stdout.write(summary(next(path for path in written if path.suffix == ".json")))
    sys.stdout.writelines(f"wrote {path}\n" for path in written)


if __name__ == "__main__":
    typer.run(main)
