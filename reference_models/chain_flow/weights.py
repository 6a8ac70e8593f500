"""Trained weights: the velocity's network and its preset in one checkpoint."""

from __future__ import annotations

import platform
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from backmapbench.errors import SubmissionError
from backmapbench.files import atomic_write
from backmapbench.reference_models.chain_flow.beads import NAME
from backmapbench.reference_models.chain_flow.network import Velocity
from backmapbench.reference_models.chain_flow.settings import Preset
from backmapbench.reference_models.training import TrainingRequest, TrainingResult, checkpoint
from backmapbench.reference_models.training.presets import validated

NETWORK = "network."
FILE = "weights.toml"


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


def delivered(seed: int) -> Path:
    """The weights that come with the package: those trained with ``seed``, or with seed 0 where there are none."""
    folder = Path(str(files("backmapbench.reference_models.chain_flow"))) / "weights"
    path = folder / f"proteins-seed-{seed}.toml"
    return path if path.is_file() else folder / "proteins-seed-0.toml"


def course(preset: str, request: TrainingRequest, result: TrainingResult, data: list[str]) -> dict[str, Any]:
    """How a training went, as TOML values; ``data`` names its molecules."""
    return {
        "preset": preset,
        "changes": list(request.changes),
        "data": data,
        "seed": request.seed,
        "steps": result.steps,
        "seconds": round(result.seconds, 1),
        "best_validation_loss": result.best,
        "best_step": result.best_step,
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "torch": torch.__version__,
    }


DOOR = '''"""The model trained in this folder, for `backmapbench run -m {folder}/model.py:Trained` (or TrainedMode)."""

from pathlib import Path

from backmapbench.reference_models.chain_flow.model import ChainFlow, ChainFlowMode

WEIGHTS = "{digest}"  # hash of the weights' tensors: records of other weights do not fit this file


class Trained(ChainFlow):
    def __init__(self) -> None:
        super().__init__(Path(__file__).parent / "{file}")


class TrainedMode(ChainFlowMode):
    def __init__(self) -> None:
        super().__init__(Path(__file__).parent / "{file}")
'''


def write_door(folder: Path) -> None:
    """A file by which the trained model enters like a stranger's."""
    digest = tomllib.loads((folder / FILE).read_text(encoding="utf-8"))["tensors"]["sha256"]
    with atomic_write(folder / "model.py", "w") as handle:
        handle.write(DOOR.format(folder=folder.name, digest=digest, file=FILE))
