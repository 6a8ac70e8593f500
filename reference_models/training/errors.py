"""What can go wrong in training and is the user's to mend."""

from __future__ import annotations

from backmapbench.errors import BackmapbenchError, UnsupportedTaskError


class TrainingError(BackmapbenchError):
    """A run that diverges, settings that do not fit together, or a folder of another run."""


def missing(error: ModuleNotFoundError) -> TrainingError:
    """What to say when an optional package is needed: weights that come with the package are used without any."""
    return TrainingError(f"training needs {error.name}; install the extra: pip install 'backmapbench[train]'")


class NoWeightsError(UnsupportedTaskError):
    """No weights for a task come with the package, and training takes too long to be begun unasked."""


def untrained(name: str) -> NoWeightsError:
    """What ``fit`` says of a model that a command of its own trains."""
    return NoWeightsError(
        f"{name}: no weights for this task and seed come with the package; train it with `backmapbench train "
        f"{name} --task TASK --output FOLDER` and run `--model FOLDER/model.py:Trained`"
    )
