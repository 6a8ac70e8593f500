"""The stated resolution of every score: the smallest error that skill distinguishes from 0."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

DEFAULT = 1e-3
"""Of a metric from outside the suite, in its own unit."""


@cache
def table() -> dict[str, float]:
    """Resolutions by metric or score id, in the score's unit, from ``resolutions.toml``."""
    text = (files("backmapbench.metrics") / "resolutions.toml").read_text(encoding="utf-8")
    return {name: float(entry["value"]) for name, entry in tomllib.loads(text).items()}


def resolution(score: str, metric: str) -> float:
    """Resolution of ``score`` of ``metric``, above 0, in the score's unit: its own entry, or else the metric's."""
    known = table()
    return known.get(score, known.get(metric, DEFAULT))
