"""What ``backmapbench mappings`` prints: the beads of a file, and the objectives of several ways to find beads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from backmapbench.coarse_graining.mapping_file import MappingFile
    from backmapbench.coarse_graining.objective import Objective


def shown(file: Path, content: MappingFile, again: Objective | None) -> Iterator[Table | str]:
    """Beads, objective and origin of ``content``, read from ``file``; ``again`` is its objective computed anew."""
    table = Table("bead", content.particles, "runs", "of", title=str(file), title_justify="left")
    for name, members, runs in zip(content.bead_names, content.groups, content.runs, strict=True):
        table.add_row(name, str(len(members)), str(runs), _shortened(members))
    yield table
    fit, source, made = content.objective, content.source, content.provenance
    named = f"{source.dataset} version {source.version}, {source.split}"
    origin = named if source.dataset else ", ".join(source.sha256)
    yield f"method: {content.method}, seed {content.seed}"
    terms = f"{fit.reconstruction_nm2:.6g} + {fit.lift_weight:g} x {fit.lift_nm2:.6g}"
    yield f"objective: {fit.total_nm2:.6g} nm^2 = {terms}"
    if again is not None:
        yield f"recomputed: {again.total_nm2:.6g} nm^2"
    yield f"frames: {source.frames} of {origin}"
    yield f"made by: {made.command} ({made.wall_seconds:g} s)"
    yield "versions: " + ", ".join(f"{name} {value}" for name, value in made.versions.items())


def compared(rows: list[dict[str, Any]], title: str) -> Table:
    """One line for each number of beads and way: the seeds' lowest, mean and highest objective, and mean time."""
    table = Table("beads", "way", "seeds", "lowest", "mean", "highest", "s each", title=title, title_justify="left")
    for beads, way in dict.fromkeys((row["beads"], row["way"]) for row in rows):
        mine = [row for row in rows if (row["beads"], row["way"]) == (beads, way)]
        values = [row["objective_nm2"] for row in mine]
        figures = [f"{value:.6f}" for value in (min(values), sum(values) / len(values), max(values))]
        seconds = sum(row["wall_seconds"] for row in mine) / len(mine)
        table.add_row(str(beads), way, str(len(mine)), *figures, f"{seconds:.2f}")
    return table


def _shortened(labels: list[str], most: int = 4) -> str:
    if len(labels) <= most:
        return " ".join(labels)
    return f"{labels[0]} {labels[1]} ... {labels[-1]}"
