"""The voxel cVAE as the training engine sees it."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from backmapbench.errors import UnsupportedTaskError
from backmapbench.reference_models.temporal_cvae import losses as terms
from backmapbench.reference_models.temporal_cvae.energy import energy_unit, force_field
from backmapbench.reference_models.temporal_cvae.extent import check_training
from backmapbench.reference_models.temporal_cvae.network import Sizes, VoxelCvae
from backmapbench.reference_models.temporal_cvae.pairs import Pairs
from backmapbench.reference_models.temporal_cvae.scene import Scene
from backmapbench.reference_models.temporal_cvae.schedules import energy_weight, gradient_clip, kl_weight, rate
from backmapbench.reference_models.temporal_cvae.settings import Preset
from backmapbench.reference_models.training import Draw
from backmapbench.reference_models.training.loop import seeded
from backmapbench.submissions.protocol import System, TrainingSet


class CvaeLearner:
    """Network, examples and loss under a preset.

    Attributes:
        network: encoder and decoder.
        scene: grid and molecule.
        pairs: training examples.
        field: the force field, float64.
        unit: energy differences are counted in it, kJ/mol.
    """

    def __init__(self, preset: Preset, system: System, training: TrainingSet, seed: int) -> None:
        """Raises UnsupportedTaskError without pairs of frames, or when the molecule does not fit the grid."""
        self.preset = preset
        train = training.train
        check_training(preset, system, training)
        reference = system.mapping.positions(train.positions[:1])[0]
        self.scene = Scene(preset, system, reference)
        self.pairs = Pairs(train, preset, self.scene, system)
        if not len(self.pairs):
            raise UnsupportedTaskError(
                f"no trajectory of the training split has frames enough for a pair (longest: {max(train.lengths)}); "
                "give longer trajectories, or use frame-cvae"
            )
        self._validation = Pairs(training.validation, preset, self.scene, system)
        self.training_examples, self.validation_examples = len(self.pairs), len(self._validation)
        self.field = force_field(system, train.positions[0], preset.energy.force_field)
        self.unit = energy_unit(self.field, train.positions, system.temperature_K, preset.energy)
        sizes = Sizes(system.topology.n_atoms, system.mapping.beads, preset.grid.cells)
        self.network: nn.Module = seeded(seed, lambda: VoxelCvae(sizes, preset.network))

    def optimiser(self) -> torch.optim.Optimizer:
        """Adam with its default moments."""
        return torch.optim.Adam(self.network.parameters(), lr=self.preset.optimiser.learning_rate)

    def rate(self, step: int) -> float:
        """Factor on the learning rate."""
        return rate(step, self.preset.training.steps, self.preset.optimiser)

    def clip(self, step: int) -> float | None:
        """Largest norm of the gradient."""
        return gradient_clip(step, self.preset.energy, self.preset.optimiser)

    def draw(self, examples: Tensor, generator: Generator, *, training: bool) -> Draw:
        """Pairs of frames, turned and centred."""
        return (self.pairs if training else self._validation).draw(examples, generator, training=training)

    def to(self, device: torch.device) -> None:
        """Move grid and force field."""
        self.scene.to(device)
        self.field.to(device)

    def description(self) -> dict[str, Any]:
        """All of the preset that decides the course of training."""
        content = self.preset.model_dump(exclude={"training", "search", "inference"}, exclude_none=True)
        course = {"examples": self.training_examples, "unit_kj_mol": self.unit}
        if self.preset.optimiser.schedule == "cosine":
            course["steps"] = self.preset.training.steps
        return content | {"course": course}

    def losses(self, network: nn.Module, draw: Draw, step: int) -> dict[str, Tensor]:
        """All terms of the loss by name, unweighted, and the weighted ``loss`` (paper eq. 3)."""
        scene, weights = self.scene, self.preset.loss
        target = scene.grid(draw["now"])
        condition = scene.condition(draw["beads"], draw.get("before"))
        voxels, mean, deviation = network(condition, target, draw["noise"])
        atoms = scene.located(voxels, draw["beads"])
        beads = scene.beads_of(atoms)
        if weights.recentred:
            atoms, beads = atoms - atoms.mean(-2, keepdim=True), beads - beads.mean(-2, keepdim=True)
        found = {
            "voxels": functional.mse_loss(voxels, target),
            "coordinates": functional.mse_loss(atoms, draw["now"]),
            "beads": functional.mse_loss(beads, draw["beads"]),
            "distances": terms.distance_error(atoms, draw["now"]),
            "kl": terms.kl_divergence(mean, deviation),
        }
        total = sum(
            (getattr(weights, name) * value for name, value in found.items() if name != "kl"), mean.new_zeros(())
        )
        total = total + weights.kl * self._kl_scale() * kl_weight(step, self.preset.kl) * found["kl"]
        strength = energy_weight(step, self.preset.energy)
        found["energy"] = self._energy(atoms, draw["now"]) if strength else mean.new_zeros(())
        return {"loss": total + strength * found["energy"].to(total.dtype)} | found

    def _energy(self, predicted: Tensor, true: Tensor) -> Tensor:
        with torch.no_grad():
            reference = self.field(true)
        return terms.energy_error(cast("Tensor", self.field(predicted)), reference, self.unit, self.preset.energy)

    def _kl_scale(self) -> float:
        # The published code divides by the number of training pairs, of which a batch has so many on each GPU.
        one = self.preset.loss.kl_scale == "one"
        return 1.0 if one else self.preset.training.mini_batch / self.training_examples
