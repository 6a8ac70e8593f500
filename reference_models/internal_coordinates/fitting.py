"""From a request to trained weights."""

from __future__ import annotations

from typing import cast

from backmapbench.errors import SubmissionError
from backmapbench.reference_models.internal_coordinates.data import examples_of, molecules, tables_of
from backmapbench.reference_models.internal_coordinates.layout import NAME
from backmapbench.reference_models.internal_coordinates.learner import Likelihood, TorsionLearner
from backmapbench.reference_models.internal_coordinates.network import TorsionNetwork
from backmapbench.reference_models.internal_coordinates.settings import DEFAULT, load_preset
from backmapbench.reference_models.internal_coordinates.weights import Weights
from backmapbench.reference_models.training import TrainingRequest, TrainingResult, train
from backmapbench.reference_models.training.delivery import FILE, course, write_door
from backmapbench.reference_models.training.loop import Progress, seeded
from backmapbench.reference_models.training.state import load_network
from backmapbench.submissions.protocol import System, TrainingSet

MODULE = "backmapbench.reference_models.internal_coordinates.model"


def fit(
    system: System, training: TrainingSet, request: TrainingRequest, progress: Progress | None = None
) -> tuple[Weights, TrainingResult]:
    """Train on the task's frames and the preset's datasets; the weights of the lowest validation loss are kept.

    Raises UnknownNameError for a preset that does not exist, CardError for an entry that does not fit,
    UnsupportedTaskError for a molecule that does not, SubmissionError for a search, TrainingError for a run that
    diverges.
    """
    if request.trials:
        raise SubmissionError(f"{NAME}: its presets have no [search] table; leave --search out")
    name = request.preset or DEFAULT
    preset = load_preset(name, request.changes)
    found = molecules(system, training, preset.data.datasets)
    tables = tables_of(found)
    splits = [examples_of(found, tables, preset.data.examples, training=part) for part in (True, False)]
    network = seeded(request.seed, lambda: TorsionNetwork(preset.network))
    learner = TorsionLearner(preset, cast("TorsionNetwork", network), *splits)
    result = train(learner, preset.training.engine(), request.seed, request.folder, progress=progress)
    load_network(result.best_weights, learner.network)
    trained = cast("Likelihood", learner.network).network.cpu().eval()
    data = [molecule.described for molecule in found]
    weights = Weights(preset, trained, tables, course(name, request, result) | {"data": data})
    weights.write(request.folder / FILE)
    write_door(request.folder, MODULE, {"Trained": "InternalCoordinates", "TrainedMode": "InternalCoordinatesMode"})
    return weights, result
