"""One training engine for all reference models, on Lightning Fabric.

A model gives a ``Learner`` (what is drawn, what is minimised); ``train`` gives the loop: resuming, guard, checkpoints,
logs, several processes. Everything random at a step is a function of the seed and the step's number, so a run that was
killed and taken up again, one cut into micro-batches and one spread over processes all follow the same course.
"""

from backmapbench.reference_models.training.errors import TrainingError
from backmapbench.reference_models.training.learner import Draw, Learner
from backmapbench.reference_models.training.loop import TrainingResult, train
from backmapbench.reference_models.training.presets import PresetTrainable, TrainingRequest, overridden, read_preset
from backmapbench.reference_models.training.settings import EngineSettings

__all__ = [
    "Draw",
    "EngineSettings",
    "Learner",
    "PresetTrainable",
    "TrainingError",
    "TrainingRequest",
    "TrainingResult",
    "overridden",
    "read_preset",
    "train",
]
