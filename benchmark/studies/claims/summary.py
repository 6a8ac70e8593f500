"""Verdicts as lines for a terminal."""

from __future__ import annotations

import json
from pathlib import Path


def summary(path: Path) -> str:
    """One line a claim of the claims.json at ``path``."""
    content = json.loads(path.read_text(encoding="utf-8"))
    lines = []
    for paper in content["papers"]:
        lines.append(f"{paper['paper']}: {paper['title']}")
        width = max(len(claim["id"]) for claim in paper["claims"])
        lines += [f"  {claim['id']:{width}}  {claim['verdict']:11}  {claim['counts']}" for claim in paper["claims"]]
    return "\n".join(lines) + "\n"
