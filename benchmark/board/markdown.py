"""A board as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from backmapbench.board.boards import CONFIDENCE
from backmapbench.board.composites import composite, row_skills
from backmapbench.board.numbers import skill_text
from backmapbench.board.standings import Standings
from backmapbench.board.words import SKILL, failures, heading, legend, not_applicable, ranked_text, without_skill


def render_markdown(boards: Sequence[Standings]) -> str:
    """Tables of the main scores with notices and the reasons of greyed columns."""
    return "\n".join(line for standings in boards for line in _markdown(standings))


def _markdown(standings: Standings) -> list[str]:
    board = standings.board
    main = board.main_scores
    headings = [escaped(heading(score)) + (" (greyed)" if score.id in standings.greyed else "") for score in main]
    lines = [f"# {escaped(board.task)}, version {board.version}", ""]
    lines += [f"> **{notice.level.capitalize()}:** {escaped(notice.text)}\n" for notice in standings.notices]
    lines += [_line(["row", "kind", *headings]), _line(["---", "---"] + ["---:"] * len(main))]
    for row in board.rows:
        cells = [escaped(ranked_text(standings, score, row)) for score in main]
        lines.append(_line([escaped(row.name), row.model.kind, *cells]))
    lines += ["", f"Value [{CONFIDENCE:.0%} interval] #rank; rows with the same rank cannot be told apart.", ""]
    lines += [f"- {escaped(line)}" for line in legend(standings)]
    lines += [f"- {escaped(line)}" for line in not_applicable(standings)]
    lines += [f"- {escaped(f'{row.name}, {score.id}: {reason}')}" for row, score, reason in failures(standings)]
    return [*lines, "", *_skills(standings)]


def _skills(standings: Standings) -> list[str]:
    """A table of skills and their equally weighted composite; nothing where no column has a skill."""
    columns = [score for score in standings.board.main_scores if score.id in standings.skills]
    if not columns:
        return []
    lines = ["## Skill", "", SKILL, ""]
    lines += [_line(["row", "composite", *(escaped(score.id) for score in columns)])]
    lines += [_line(["---"] + ["---:"] * (len(columns) + 1))]
    for row in standings.board.rows:
        skills = row_skills(standings, row)
        mean = composite(skills, dict.fromkeys(skills, 1.0))
        lines.append(_line([escaped(row.name), *map(skill_text, [mean, *(skills.get(each.id) for each in columns)])]))
    lines += ["", *(f"- {escaped(line)}" for line in without_skill(standings))]
    return [*lines, ""]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def escaped(text: str) -> str:
    """Text that a Markdown table cell shows as it is; raw HTML of a record stays text."""
    flat = " ".join(text.split())
    for mark, safe in (("\\", "\\\\"), ("|", "\\|"), ("<", "&lt;"), (">", "&gt;"), ("*", "\\*"), ("`", "\\`")):
        flat = flat.replace(mark, safe)
    return flat
