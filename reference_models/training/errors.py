"""What can go wrong in training and is the user's to mend."""

from __future__ import annotations

from backmapbench.errors import BackmapbenchError


class TrainingError(BackmapbenchError):
    """A run that diverges, settings that do not fit together, or a folder of another run."""
