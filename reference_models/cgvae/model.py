"""``Cgvae``: one model, two behaviours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import SubmissionError
from backmapbench.reference_models.cgvae.delivery import delivered, description_of, row_info, write_weights
from backmapbench.reference_models.cgvae.structure import ANGSTROM_PER_NM, Structure
from backmapbench.submissions.protocol import System, TrainingSet

if TYPE_CHECKING:
    import torch

    from backmapbench.reference_models.cgvae.network import CgvaeNetwork
    from backmapbench.reference_models.cgvae.settings import Behaviour, Preset
    from backmapbench.reference_models.training import TrainingRequest, TrainingResult
    from backmapbench.reference_models.training.loop import Progress

ROWS = "backmapbench.reference_models.cgvae.rows"
DOORS: dict[Behaviour, dict[str, str]] = {
    "legacy": {"Trained": "CgvaeLegacy"},
    "fixed": {"Trained": "CgvaeFixed", "TrainedMode": "CgvaeFixedMode"},
}
CHUNK_FRAMES = 128
POSTERIOR_FRAMES = 8  # the encoder's edges take more


class Cgvae:
    """Ultra-coarse beads to atoms in one step; latents are drawn from the prior.

    Args:
        behaviour: what is done where the published code errs; see ``Behaviour``.
        preset: its name; None: the small one made for the task's atoms and beads.
        temperature: factor on the prior's standard deviation; 0 decodes its mean, a deterministic map.
        weights: checkpoint (.toml) to use instead of training.
    """

    def __init__(
        self,
        behaviour: Behaviour,
        preset: str | None = None,
        temperature: float = 1.0,
        weights: Path | None = None,
    ) -> None:
        self.behaviour, self.preset, self.temperature, self.weights = behaviour, preset, temperature, weights
        self.info = row_info(behaviour, "prior" if temperature else "mean")
        self._structure: Structure | None = None
        self._network: CgvaeNetwork | None = None

    def presets(self) -> tuple[str, ...]:
        """Names of the presets."""
        from backmapbench.reference_models.cgvae.settings import presets

        return presets()

    def fit(self, system: System, training: TrainingSet, seed: int) -> None:
        """Take the weights given, or those that come with the package for this molecule, behaviour and seed.

        Raises UnsupportedTaskError where there are none, and for a molecule or beads that it is not made for.
        """
        from backmapbench.reference_models.cgvae.settings import preset_for
        from backmapbench.reference_models.training.errors import untrained

        if self.weights is not None:
            self.load(system, self.weights)
            return
        structure = Structure.of(system)
        name = self.preset or preset_for(len(structure.names), structure.beads)
        path = delivered(self.behaviour, name, structure.fingerprint, seed)
        if path is None:
            raise untrained(self.info.name)
        self.load(system, path)

    def train(
        self, system: System, training: TrainingSet, request: TrainingRequest, progress: Progress | None = None
    ) -> TrainingResult:
        """Train by a preset; the weights of the lowest validation loss are used afterwards.

        Beside the engine's files the request's folder gets ``weights.toml`` and ``model.py``, whose ``Trained`` draws
        from the prior; that of ``fixed`` has a ``TrainedMode`` too.

        Raises SubmissionError for structures that do not fit or a search, TrainingError for a run that diverges.
        """
        from backmapbench.reference_models.cgvae.learner import CgvaeLearner
        from backmapbench.reference_models.cgvae.settings import load_preset, preset_for
        from backmapbench.reference_models.training import train
        from backmapbench.reference_models.training.delivery import write_door
        from backmapbench.reference_models.training.state import load_network

        if request.trials:
            raise SubmissionError("cgvae: its presets have no [search] table; leave --search out")
        structure = Structure.of(system)
        name = request.preset or self.preset or preset_for(len(structure.names), structure.beads)
        network = self._build(load_preset(name, request.changes), structure, request.seed)
        learner = CgvaeLearner(network, training, structure.fingerprint)
        learner.catch_up(request.folder)
        result = train(
            learner,
            learner.settings,
            request.seed,
            request.folder,
            progress=progress,
            validated=learner.schedule.validated,
        )
        load_network(result.best_weights, network)
        self._use(structure, network)
        data = f"{len(training.train)} frames of {len(structure.names)} atoms in {structure.beads} beads"
        write_weights(name, request, result, data)
        write_door(request.folder, ROWS, DOORS[self.behaviour])
        return result

    def load(self, system: System, path: Path) -> None:
        """Take the weights of the checkpoint at ``path`` (.toml).

        Raises SubmissionError when they are of another model, molecule, mapping or behaviour, and as ``description_of``
        does.
        """
        from backmapbench.reference_models.training.state import load_network

        structure, described = Structure.of(system), description_of(path)
        if described.behaviour != self.behaviour or described.structure != structure.fingerprint:
            raise SubmissionError(
                f"{path}: weights of cgvae-{described.behaviour} for other atoms or beads than the task's, or another "
                f"behaviour than {self.behaviour}; train for this task"
            )
        network = self._build(described.preset, structure, 0)
        load_network(path, network)
        self._use(structure, network)

    def backmap(self, system: System, beads: Trajectories, samples: int, seed: int) -> NDArray[np.float32]:
        """Independent samples of every frame: float32 (samples, frames, atoms, 3), nm.

        Raises SubmissionError before ``fit``, or for another molecule or other beads than those it was fitted on.
        """
        import torch

        network = self._network_for(system)
        generator = torch.Generator().manual_seed(seed)
        given = torch.from_numpy(np.asarray(beads.positions, dtype=np.float32) * np.float32(ANGSTROM_PER_NM))
        out = np.empty((samples, len(beads), system.topology.n_atoms, 3), dtype=np.float32)
        for sample in range(samples):
            for first in range(0, len(beads), CHUNK_FRAMES):
                part = slice(first, first + CHUNK_FRAMES)
                noise = self.temperature * self._noise(network, len(given[part]), generator)
                out[sample, part] = network.sample(given[part], noise).numpy() / ANGSTROM_PER_NM
        return out

    def reconstruct(self, system: System, atoms: Trajectories, seed: int) -> NDArray[np.float32]:
        """Frames decoded from the POSTERIOR of these very frames: (frames, atoms, 3), nm. It reads the answer.

        No part of the protocol: the harness has no way to call it. Raises SubmissionError as ``backmap`` does.
        """
        import torch

        network = self._network_for(system)
        generator = torch.Generator().manual_seed(seed)
        given = torch.from_numpy(np.asarray(atoms.positions, dtype=np.float32) * np.float32(ANGSTROM_PER_NM))
        found = [
            network.reconstruct(part, self._noise(network, len(part), generator))
            for part in torch.split(given, POSTERIOR_FRAMES)
        ]
        return np.asarray(torch.cat(found).numpy() / ANGSTROM_PER_NM, dtype=np.float32)

    def _noise(self, network: CgvaeNetwork, frames: int, generator: torch.Generator) -> torch.Tensor:
        import torch

        return torch.randn((frames, network.beads, network.preset.model.width), generator=generator)

    def _build(self, preset: Preset, structure: Structure, seed: int) -> CgvaeNetwork:
        from backmapbench.reference_models.cgvae.network import CgvaeNetwork
        from backmapbench.reference_models.training.loop import seeded

        network = seeded(seed, lambda: CgvaeNetwork(preset, self.behaviour, structure))
        if not isinstance(network, CgvaeNetwork):
            raise TypeError(f"built {type(network).__name__}, expected CgvaeNetwork")
        return network

    def _use(self, structure: Structure, network: CgvaeNetwork) -> None:
        self._structure, self._network = structure, network.cpu().eval()

    def _network_for(self, system: System) -> CgvaeNetwork:
        """The network, its constants in the order of ``system``'s atoms."""
        if self._network is None or self._structure is None:
            raise SubmissionError(f"{self.info.name}: not fitted; call fit with the training split first")
        structure = Structure.of(system)
        if structure.fingerprint != self._structure.fingerprint:
            raise SubmissionError(
                f"{self.info.name}: given {len(structure.names)} atoms in {structure.beads} beads, fitted with "
                f"{len(self._structure.names)} in {self._structure.beads} or others of the same number; "
                "use the system it was fitted on"
            )
        if structure.names == self._structure.names:
            return self._network
        reordered = self._build(self._network.preset, structure, 0)
        reordered.load_state_dict(self._network.state_dict())
        return reordered.eval()
