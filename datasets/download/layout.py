"""Finding topology and trajectories among files, by the glob patterns of a card."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from backmapbench.datasets.schema import Source
from backmapbench.errors import DataError

OWN_TOPOLOGY = (".pdb", ".ent", ".gro", ".h5", ".hdf5")


def matches(source: Source, roots: Sequence[Path]) -> bool:
    """Whether topology (if the source has one) and trajectories are there."""
    topology = not source.layout.topology or bool(_first(source.layout.topology, roots))
    return topology and bool(_first(source.layout.trajectories, roots))


def topology_file(source: Source, roots: Sequence[Path]) -> Path | None:
    """The topology, None where the trajectories bring their own. Raises DataError when it is missing or ambiguous."""
    if not source.layout.topology:
        return None
    found = _first(source.layout.topology, roots)
    if len(found) != 1:
        seen = ", ".join(str(path) for path in found[:3]) or "none"
        raise DataError(f"{roots[0]}: one topology like {' or '.join(source.layout.topology)} is needed, found {seen}")
    return found[0]


def trajectory_files(source: Source, roots: Sequence[Path]) -> list[Path]:
    """The trajectories in natural order (2 before 10). Raises DataError unless there are as many as must be."""
    found = _first(source.layout.trajectories, roots)
    if not found:
        raise DataError(f"{roots[0]}: no trajectory like {' or '.join(source.layout.trajectories)}")
    if source.trajectories is not None and len(found) != source.trajectories:
        raise DataError(
            f"{roots[0]}: holds {len(found)} trajectories, the card says {source.trajectories}; complete it"
        )
    return found


def found_in(folder: Path, path: str) -> Path | None:
    """The file at ``path`` below ``folder``, or a file of that name anywhere in it; None if there is none."""
    if (folder / path).is_file():
        return folder / path
    return next((found for found in sorted(folder.rglob(Path(path).name)) if found.is_file()), None)


def natural(path: Path) -> list[tuple[int, int, str]]:
    """Sort key under which numbers in names count as numbers."""
    parts = re.split(r"(\d+)", path.as_posix())
    return [(1, int(part), part) if part.isdigit() else (0, 0, part) for part in parts]


def _first(patterns: Sequence[str], roots: Sequence[Path]) -> list[Path]:
    """Files of the first pattern that matches any, hidden ones left out; those of the first root that has any."""
    for pattern in patterns:
        for root in roots:
            hidden = len(root.parts)
            found = [path for path in root.glob(pattern) if path.is_file()]
            found = [path for path in found if not any(part.startswith(".") for part in path.parts[hidden:])]
            if found:
                return sorted(found, key=natural)
    return []
