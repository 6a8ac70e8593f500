"""Errors that a user can cause; the command line prints each as one line and exits with code 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BackmapbenchError(Exception):
    """Base of every error whose cause is the input; the message names the place, the value and the fix."""


class UnknownNameError(BackmapbenchError):
    """A task, dataset, model or metric id that does not exist."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        choices = sorted(known)
        close = difflib.get_close_matches(name, choices, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(choices)}"
        super().__init__(f"unknown {kind} '{name}'; {hint}")


class CardError(BackmapbenchError):
    """A TOML card with a missing, unknown or ill-typed field."""


class NotApplicableError(CardError):
    """A metric that a molecule, a mapping or a protocol cannot have; left out where a metric set names it."""


class DataError(BackmapbenchError):
    """A data file that is missing, truncated, altered or not what its card says."""


class DownloadError(BackmapbenchError):
    """A file of a dataset that no mirror delivered as its card, or the first trusted download, says it is."""


class SubmissionError(BackmapbenchError):
    """A backmapper that cannot be loaded or whose output cannot be scored."""


class UnsupportedTaskError(SubmissionError):
    """A backmapper that is not made for a task's beads or molecule; raised by its ``fit`` or ``backmap``."""


class RecordError(BackmapbenchError):
    """A record or output folder that cannot be read or written."""
