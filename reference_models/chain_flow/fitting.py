"""From a request to trained weights."""

from __future__ import annotations

from typing import cast

from backmapbench.errors import SubmissionError
from backmapbench.reference_models.chain_flow.beads import NAME
from backmapbench.reference_models.chain_flow.data import examples_of, found_molecules
from backmapbench.reference_models.chain_flow.learner import FlowLearner, Matching
from backmapbench.reference_models.chain_flow.network import Velocity
from backmapbench.reference_models.chain_flow.settings import DEFAULT, load_preset
from backmapbench.reference_models.chain_flow.weights import Weights
from backmapbench.reference_models.training import TrainingRequest, TrainingResult, train
from backmapbench.reference_models.training.delivery import FILE, course, write_door
from backmapbench.reference_models.training.loop import Progress, seeded
from backmapbench.reference_models.training.state import load_network
from backmapbench.submissions.protocol import System, TrainingSet

MODULE = "backmapbench.reference_models.chain_flow.model"


def fit(
    system: System, training: TrainingSet, request: TrainingRequest, progress: Progress | None = None
) -> tuple[Weights, TrainingResult]:
    """Train on the task's frames and the preset's datasets; the weights of the lowest validation loss are kept.

    The task's own beads play no part: beads are drawn anew at every step.

    Raises UnknownNameError for a preset that does not exist, CardError for an entry that does not fit,
    UnsupportedTaskError for a molecule that does not, SubmissionError for a search, TrainingError for a run that
    diverges.
    """
    if request.trials:
        raise SubmissionError(f"{NAME}: its presets have no [search] table; leave --search out")
    name = request.preset or DEFAULT
    preset = load_preset(name, request.changes)
    found = found_molecules(system, training, preset.data.datasets)
    splits = [examples_of(found, preset.data, preset.prior, training=part) for part in (True, False)]
    network = cast("Velocity", seeded(request.seed, lambda: Velocity(preset.network)))
    learner = FlowLearner(preset, network, *splits)
    result = train(learner, preset.training.engine(), request.seed, request.folder, progress=progress)
    load_network(result.best_weights, learner.network)
    trained = cast("Matching", learner.network).velocity.cpu().eval()
    data = [molecule.described for molecule in found]
    weights = Weights(preset, trained, course(name, request, result) | {"data": data})
    weights.write(request.folder / FILE)
    write_door(request.folder, MODULE, {"Trained": "ChainFlow", "TrainedMode": "ChainFlowMode"})
    return weights, result
