"""A board as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from backmapbench.board.boards import CONFIDENCE
from backmapbench.board.standings import Standings
from backmapbench.board.words import failures, heading, legend, ranked_text


def render_markdown(boards: Sequence[Standings]) -> str:
    """Tables of the main scores with notices and the reasons of greyed columns."""
    return "\n".join(line for standings in boards for line in _markdown(standings))


def _markdown(standings: Standings) -> list[str]:
    board = standings.board
    main = board.main_scores
    headings = [_escape(heading(score)) + (" (greyed)" if score.id in standings.greyed else "") for score in main]
    lines = [f"# {_escape(board.task)}, version {board.version}", ""]
    lines += [f"> **{notice.level.capitalize()}:** {_escape(notice.text)}\n" for notice in standings.notices]
    lines += [_line(["row", "kind", *headings]), _line(["---", "---"] + ["---:"] * len(main))]
    for row in board.rows:
        cells = [_escape(ranked_text(standings, score, row)) for score in main]
        lines.append(_line([_escape(row.name), row.model.kind, *cells]))
    lines += ["", f"Value [{CONFIDENCE:.0%} interval] #rank; rows with the same rank cannot be told apart.", ""]
    lines += [f"- {_escape(line)}" for line in legend(standings)]
    lines += [f"- {_escape(f'{row.name}, {score.id}: {reason}')}" for row, score, reason in failures(standings)]
    return [*lines, ""]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _escape(text: str) -> str:
    """Text that a Markdown table cell shows as it is; raw HTML of a record stays text."""
    flat = " ".join(text.split())
    for mark, safe in (("\\", "\\\\"), ("|", "\\|"), ("<", "&lt;"), (">", "&gt;"), ("*", "\\*"), ("`", "\\`")):
        flat = flat.replace(mark, safe)
    return flat
