"""Trained weights: the velocity's network and its preset in one checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from backmapbench.errors import SubmissionError
from backmapbench.reference_models.chain_flow.beads import NAME
from backmapbench.reference_models.chain_flow.network import Velocity
from backmapbench.reference_models.chain_flow.settings import Preset
from backmapbench.reference_models.training import checkpoint
from backmapbench.reference_models.training.delivery import FILE
from backmapbench.reference_models.training.presets import validated

NETWORK = "network."


@dataclass(frozen=True)
class Weights:
    """What a trained model consists of.

    Attributes:
        preset: as trained.
        network: the velocity.
        training: recipe, seed, steps, wall time and hardware.
    """

    preset: Preset
    network: Velocity
    training: dict[str, Any]

    def write(self, path: Path) -> None:
        """Write ``path`` (.toml) and its tensor file."""
        tensors = {NETWORK + name: value.float() for name, value in self.network.state_dict().items()}
        preset = self.preset.model_dump(mode="json", exclude_none=True)
        checkpoint.write(path, tensors, {"kind": "weights", "model": NAME, "training": self.training, "preset": preset})


def read_weights(path: Path) -> Weights:
    """Weights at ``path``. Raises SubmissionError, CardError or TrainingError for a file that holds none."""
    stored = checkpoint.read(path)
    content = stored.content
    if content.get("kind") != "weights" or content.get("model") != NAME:
        raise SubmissionError(f"{path}: holds no weights of {NAME}; give the {FILE} that its training wrote")
    preset = validated(content["preset"], Preset, str(path))
    network = Velocity(preset.network)
    network.load_state_dict({name.removeprefix(NETWORK): value for name, value in stored.tensors.items()})
    return Weights(preset, network.eval(), content["training"])


def delivered(seed: int) -> Path | None:
    """The weights that come with the package, trained with ``seed``; None where there are none."""
    folder = Path(str(files("backmapbench.reference_models.chain_flow"))) / "weights"
    path = folder / f"proteins-seed-{seed}.toml"
    return path if path.is_file() else None
