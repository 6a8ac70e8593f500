"""From a request to trained weights: preset, optional search, training, latent density, files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import torch

from backmapbench.errors import UnsupportedTaskError
from backmapbench.reference_models.temporal_cvae.extent import farthest
from backmapbench.reference_models.temporal_cvae.grid import Grid
from backmapbench.reference_models.temporal_cvae.latent import fit_mixture, posterior
from backmapbench.reference_models.temporal_cvae.learner import CvaeLearner
from backmapbench.reference_models.temporal_cvae.network import VoxelCvae
from backmapbench.reference_models.temporal_cvae.page import write_page
from backmapbench.reference_models.temporal_cvae.seeds import largest_step
from backmapbench.reference_models.temporal_cvae.settings import Preset
from backmapbench.reference_models.temporal_cvae.weights import Weights, data_entry, system_entry
from backmapbench.reference_models.training import TrainingRequest, TrainingResult, read_preset, train
from backmapbench.reference_models.training.delivery import FILE, course, write_door
from backmapbench.reference_models.training.loop import Progress, Validated
from backmapbench.reference_models.training.search import search
from backmapbench.reference_models.training.state import load_network
from backmapbench.submissions.protocol import System, TrainingSet

PACKAGE = "backmapbench.reference_models.temporal_cvae"
SMALL = ("adp-small", "cln-small")  # smallest grid first


def fit(
    model: str,
    system: System,
    training: TrainingSet,
    request: TrainingRequest,
    progress: Progress | None = None,
) -> tuple[Weights, TrainingResult]:
    """Train ``model`` ("temporal-cvae" or its twin) as ``request`` says and write its weights to the request's folder.

    Raises UnknownNameError for a preset that does not exist, CardError for an entry that does not fit,
    UnsupportedTaskError for a molecule that does not, TrainingError for a run that diverges.
    """
    seen = "true" if model == "temporal-cvae" else "false"
    request = replace(request, changes=(*request.changes, f"network.previous={seen}"))
    name = request.preset or default_preset(system, training)
    if request.trials:
        request = replace(request, changes=(*request.changes, *_searched(name, system, training, request)))
    preset = read_preset(PACKAGE, name, Preset, request.changes)
    learner = CvaeLearner(preset, system, training, request.seed)
    result = train(learner, preset.training.engine(), request.seed, request.folder, progress=progress)
    if preset.optimiser.schedule == "cosine":  # as published the last weights are used, without a choice
        load_network(result.best_weights, learner.network)
    network = cast("VoxelCvae", learner.network.cpu().eval())
    learner.to(torch.device("cpu"))
    latents, examples = posterior(network, learner.scene, learner.pairs, preset.inference, request.seed)
    beads = training.train.replace_positions(system.mapping.positions(training.train.positions))
    weights = Weights(
        preset,
        network,
        fit_mixture(latents, preset.inference.components, request.seed),
        learner.scene.reference.numpy(),
        largest_step(beads),
        model,
        system_entry(system, training.train.frame_ps),
        data_entry(training),
        course(name, request, result),
    )
    weights.write(request.folder / FILE)
    kind = "TemporalCvae" if model == "temporal-cvae" else "FrameCvae"
    write_door(request.folder, f"{PACKAGE}.model", {"Trained": kind})
    write_page(weights, learner, latents, examples, system, request.folder)
    return weights, result


def default_preset(system: System, training: TrainingSet) -> str:
    """The ``small`` preset with the smallest grid that holds the molecule.

    Raises UnsupportedTaskError when none does.
    """
    for name in SMALL:
        preset = read_preset(PACKAGE, name, Preset)
        edge = Grid(preset.grid).edge_nm
        if all(farthest(part, preset, system) <= edge for part in (training.train, training.validation)):
            return name
    raise UnsupportedTaskError(f"the molecule is larger than the grids of {' and '.join(SMALL)}; set grid.width_nm")


def _searched(name: str, system: System, training: TrainingSet, request: TrainingRequest) -> tuple[str, ...]:
    preset = read_preset(PACKAGE, name, Preset, request.changes)
    engine = preset.training.engine()

    def loss(changes: tuple[str, ...], folder: Path, validated: Validated) -> float:
        changed = read_preset(PACKAGE, name, Preset, (*request.changes, *changes))
        learner = CvaeLearner(changed, system, training, request.seed)
        return train(learner, changed.training.engine(), request.seed, folder, validated=validated).best

    steps = (engine.validate_every, engine.steps)
    return search(loss, preset.search, request.trials, steps, request.seed, request.folder / "search")
