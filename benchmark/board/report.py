"""From an output folder of records to what people read."""

from __future__ import annotations

from pathlib import Path

from rich.console import RenderableType

from backmapbench.board.definitions import PAGE, render_definitions
from backmapbench.board.page import Section, render_page
from backmapbench.board.plots import draw
from backmapbench.board.rows import collect
from backmapbench.board.standings import judge
from backmapbench.board.table import TerminalBoard, render
from backmapbench.files import atomic_write

CLAIMS = "claims.html"  # linked where the page of papers' claims lies beside the board


def write_report(folder: Path, output: Path | None = None) -> list[Path]:
    """Write index.html, definitions.html, board.md, board.csv and board.json of the records in ``folder``.

    Returns their paths. ``output``: where to; default beside the records. Raises RecordError for a folder without
    records or with damaged ones.
    """
    boards = [judge(board) for board in collect(folder)]
    target = folder if output is None else output
    sections = [Section(standings, draw(standings.board)) for standings in boards]
    contents = {
        "index.html": render_page(sections, CLAIMS if (target / CLAIMS).is_file() else None),
        PAGE: render_definitions(),
        "board.md": render(boards, "markdown"),
        "board.csv": render(boards, "csv"),
        "board.json": render(boards, "json"),
    }
    for name, content in contents.items():
        with atomic_write(target / name, "w") as handle:
            handle.write(content)
    return [target / name for name in contents]


def render_terminal(folder: Path) -> list[RenderableType]:
    """The boards in ``folder`` as rich prints them. Raises as ``write_report``."""
    return [TerminalBoard(judge(board)) for board in collect(folder)]
