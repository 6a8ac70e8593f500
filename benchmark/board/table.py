"""A board for the terminal and as Markdown, CSV and JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from backmapbench.board.boards import ScoreInfo
from backmapbench.board.composites import composite, row_skills
from backmapbench.board.export import render_csv, render_json
from backmapbench.board.markdown import render_markdown
from backmapbench.board.numbers import skill_text
from backmapbench.board.standings import Standings
from backmapbench.board.words import failures, heading, legend, not_applicable, ranked_text, without_skill

FORMATS: dict[str, Callable[[Sequence[Standings]], str]] = {
    "markdown": render_markdown,
    "csv": render_csv,
    "json": render_json,
}
HEADING_WIDTH = 20
BORDERS = 3
"""Characters that a column costs beside its text: a rule and two blanks."""


def render(boards: Sequence[Standings], kind: str) -> str:
    """``boards`` as "markdown", "csv" or "json". Raises ValueError for any other kind."""
    if kind not in FORMATS:
        raise ValueError(f"unknown format '{kind}'; choose {', '.join(FORMATS)}")
    return FORMATS[kind](boards)


@dataclass(frozen=True)
class TerminalBoard:
    """A board as rich shows it: notices, as many tables as the width asks for, and the reasons of dim columns."""

    standings: Standings

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the parts; columns that do not fit the width go to a further table with the same rows."""
        board = self.standings.board
        yield Text(f"{board.task}, version {board.version}", style="bold")
        for notice in self.standings.notices:
            yield Text(f"{notice.level}: {notice.text}", style="bold red" if notice.level == "error" else "yellow")
        for scores in self._fit(options.max_width):
            yield self._table(scores)
        if any(score.id in self.standings.skills for score in board.main_scores):
            yield self._skills()
        yield Text("value [95 % interval] #rank; rows with one rank cannot be told apart; lower is better")
        for line in legend(self.standings):
            yield Text(f"dim: {line}", style="dim")
        for line in [*without_skill(self.standings), *not_applicable(self.standings)]:
            yield Text(line, style="dim")
        for row, score, reason in failures(self.standings):
            yield Text(f"{row.name}, {score.id}: {reason}")

    def _fit(self, width: int) -> Iterator[list[ScoreInfo]]:
        names = max(len(row.name) for row in self.standings.board.rows)
        left, scores = 0, list[ScoreInfo]()
        for score in self.standings.board.main_scores:
            cells = [len(ranked_text(self.standings, score, row)) for row in self.standings.board.rows]
            need = max([*cells, *map(len, _broken(score).splitlines())]) + BORDERS
            if scores and need > left:
                yield scores
                scores = []
            if not scores:
                left = width - names - 1 - BORDERS
            scores.append(score)
            left -= need
        if scores:
            yield scores

    def _table(self, scores: Sequence[ScoreInfo]) -> Table:
        board = self.standings.board
        table = Table()
        table.add_column("row", no_wrap=True)
        for score in scores:
            dim = "dim" if score.id in self.standings.greyed else ""
            table.add_column(_broken(score), style=dim, header_style=dim or "bold", justify="right", no_wrap=True)
        for row, following in zip(board.rows, [*board.rows[1:], None], strict=True):
            cells = [Text(ranked_text(self.standings, score, row)) for score in scores]
            last = following is not None and following.control != row.control
            table.add_row(Text(row.name), *cells, end_section=last)
        return table

    def _skills(self) -> Table:
        """The equally weighted composite of every row with its extremes: the whole table stands in the files."""
        table = Table()
        for title in ("row", "skill", "lowest", "highest"):
            table.add_column(title, justify="left" if title == "row" else "right", no_wrap=True)
        for row in self.standings.board.rows:
            skills = row_skills(self.standings, row)
            mean = composite(skills, dict.fromkeys(skills, 1.0))
            ends = (min(skills.values(), default=None), max(skills.values(), default=None))
            table.add_row(Text(row.name), *map(skill_text, (mean, *ends)))
        return table


def _broken(score: ScoreInfo) -> str:
    """A heading in lines of at most about ``HEADING_WIDTH`` characters, broken after underscores and blanks."""
    lines = [""]
    for word in heading(score).replace("_", "_\0").replace(" ", " \0").split("\0"):
        if lines[-1] and len(lines[-1] + word) > HEADING_WIDTH:
            lines.append("")
        lines[-1] += word
    return "\n".join(lines)
