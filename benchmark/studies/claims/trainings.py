"""What delivered weights say of their training."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backmapbench.errors import CardError
from backmapbench.studies.claims.papers import Quantity, Weights
from backmapbench.studies.claims.spans import Span

HARDWARE = ("processor", "accelerator", "machine", "threads")
"""What two trainings must have in common for what they took to be compared, as far as both say it."""
WORDS: dict[Quantity, str] = {"seconds_per_step": "time", "peak_memory_mb": "memory"}
DECISIVE = "processor"
"""Without which hardware is not known."""


@dataclass(frozen=True)
class Trained:
    """Weights that a check speaks of on one task.

    Attributes:
        name: the check's pattern, for this task.
        courses: how each of the files was trained, by file name; empty where one does not say.
    """

    name: str
    courses: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, folder: Path, weights: Weights, task: str) -> Trained:
        """Those below ``folder``. Raises CardError for a file that is not TOML."""
        name, command = (text.replace("{task}", task) for text in (weights.files, weights.command))
        courses = {path.name: _course(path) for path in sorted(folder.glob(name))}
        chosen = {file: course for file, course in courses.items() if command in str(course.get("command", ""))}
        return cls(f"{name} by {command}" if command else name, chosen)

    def span(self, quantity: Quantity, spread: float) -> tuple[Span | None, str]:
        """What they took, as far as a factor ``spread`` between measurements lets one tell; or why it is not known."""
        if not self.courses:
            return None, f"no delivered weights match {self.name}"
        costs = [_cost(course, quantity) for course in self.courses.values()]
        found = [cost for cost in costs if cost is not None]
        if len(found) < len(costs):
            return None, f"delivered weights do not say what their training took in {WORDS[quantity]}"
        return Span(sum(found) / len(found), min(found) / spread, max(found) * spread), ""


def unlike(courses: Sequence[Mapping[str, Any]]) -> str:
    """Why what trainings took cannot be compared; "" if it can."""
    for name in HARDWARE:
        said = sorted({str(course[name]) for course in courses if name in course})
        if len(said) > 1:
            return f"trained on different hardware: {name} {'; '.join(said)}"
    silent = sum(DECISIVE not in course for course in courses)
    return f"trained on unknown hardware: {silent} of {len(courses)} weights do not say on which" if silent else ""


def _course(path: Path) -> dict[str, Any]:
    """How the training of the weights at ``path`` went; empty where they do not say."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CardError(f"{path}: not readable as the description of weights ({error}); restore the file") from error
    course = content.get("content", {}).get("training", {})
    return course if isinstance(course, dict) else {}


def _cost(course: Mapping[str, Any], quantity: Quantity) -> float | None:
    if quantity != "seconds_per_step":
        return _number(course.get(quantity))
    seconds, steps = _number(course.get("seconds")), _number(course.get("steps"))
    return seconds / steps if seconds is not None and steps else None


def _number(found: object) -> float | None:
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None
