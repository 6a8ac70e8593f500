"""Trained weights: network, tables and preset in one checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from backmapbench.errors import SubmissionError
from backmapbench.reference_models.internal_coordinates.layout import NAME
from backmapbench.reference_models.internal_coordinates.network import TorsionNetwork
from backmapbench.reference_models.internal_coordinates.settings import Preset
from backmapbench.reference_models.internal_coordinates.tables import Tables
from backmapbench.reference_models.training import checkpoint
from backmapbench.reference_models.training.delivery import FILE
from backmapbench.reference_models.training.presets import validated

NETWORK, MEAN, DEVIATION = "network.", "tables.mean", "tables.deviation"


@dataclass(frozen=True)
class Weights:
    """What a trained model consists of.

    Attributes:
        preset: as trained.
        network: the density of torsions.
        tables: bond lengths, angles and constant torsions.
        training: recipe, seed, steps, wall time and hardware.
    """

    preset: Preset
    network: TorsionNetwork
    tables: Tables
    training: dict[str, Any]

    def write(self, path: Path) -> None:
        """Write ``path`` (.toml) and its tensor file."""
        tensors = {NETWORK + name: value.float() for name, value in self.network.state_dict().items()}
        tensors |= {MEAN: self.tables.mean, DEVIATION: self.tables.deviation}
        preset = self.preset.model_dump(mode="json", exclude_none=True)
        checkpoint.write(path, tensors, {"kind": "weights", "model": NAME, "training": self.training, "preset": preset})


def read_weights(path: Path) -> Weights:
    """Weights at ``path``. Raises SubmissionError, CardError or TrainingError for a file that holds none."""
    stored = checkpoint.read(path)
    content = stored.content
    if content.get("kind") != "weights" or content.get("model") != NAME:
        raise SubmissionError(f"{path}: holds no weights of {NAME}; give the {FILE} that its training wrote")
    preset = validated(content["preset"], Preset, str(path))
    network = TorsionNetwork(preset.network)
    network.load_state_dict(
        {name.removeprefix(NETWORK): value for name, value in stored.tensors.items() if name.startswith(NETWORK)}
    )
    return Weights(preset, network, Tables(stored.tensors[MEAN], stored.tensors[DEVIATION]), content["training"])


def delivered() -> Path:
    """The weights that come with the package."""
    return Path(str(files("backmapbench.reference_models.internal_coordinates"))) / "weights" / "proteins.toml"
