"""Trained weights: one checkpoint with network, latent density, preset, and the system they are for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from backmapbench.errors import SubmissionError
from backmapbench.reference_models.temporal_cvae.latent import Mixture
from backmapbench.reference_models.temporal_cvae.network import Sizes, VoxelCvae
from backmapbench.reference_models.temporal_cvae.settings import Preset
from backmapbench.reference_models.training import checkpoint
from backmapbench.reference_models.training.presets import validated
from backmapbench.submissions.protocol import System, TrainingSet

NETWORK, MIXTURE = "network.", "mixture."
RADIUS_TOLERANCE = 1e-5  # relative; rounding on another machine is far below, other data far above


@dataclass(frozen=True)
class Weights:
    """What a trained model consists of.

    Attributes:
        preset: as trained.
        network: encoder and decoder.
        mixture: density of the latents.
        reference: beads (n, 3), nm, that frames are turned onto.
        largest_step_nm: see ``seeds.largest_step``.
        model: name of the model they belong to.
        system: see ``system_entry``.
        data: see ``data_entry``.
        training: steps, wall time and hardware.
    """

    preset: Preset
    network: VoxelCvae
    mixture: Mixture
    reference: NDArray[np.float32]
    largest_step_nm: float
    model: str
    system: dict[str, Any]
    data: dict[str, Any]
    training: dict[str, Any]

    def write(self, path: Path) -> None:
        """Write ``path`` (.toml) and its tensor file."""
        tensors = {NETWORK + name: value for name, value in self.network.state_dict().items()}
        tensors |= {MIXTURE + name: torch.from_numpy(value) for name, value in vars(self.mixture).items()}
        tensors["reference"] = torch.from_numpy(self.reference)
        content = {
            "kind": "weights",
            "model": self.model,
            "largest_step_nm": self.largest_step_nm,
            "system": self.system,
            "data": self.data,
            "training": self.training,
            "preset": self.preset.model_dump(exclude_none=True),
        }
        checkpoint.write(path, tensors, content)


def read_weights(path: Path) -> Weights:
    """Weights at ``path``. Raises SubmissionError or TrainingError for a file that holds none."""
    stored = checkpoint.read(path)
    content, tensors = stored.content, stored.tensors
    if content.get("kind") != "weights":
        raise SubmissionError(f"{path}: holds no trained weights but '{content.get('kind')}'; give weights.toml")
    preset = validated(content["preset"], Preset, str(path))
    sizes = Sizes(content["system"]["atoms"], content["system"]["beads"], preset.grid.cells)
    network = VoxelCvae(sizes, preset.network)
    network.load_state_dict({k.removeprefix(NETWORK): v for k, v in tensors.items() if k.startswith(NETWORK)})
    parts = {k.removeprefix(MIXTURE): v.numpy() for k, v in tensors.items() if k.startswith(MIXTURE)}
    return Weights(
        preset,
        network.eval(),
        Mixture(**parts),
        tensors["reference"].numpy(),
        float(content["largest_step_nm"]),
        content["model"],
        content["system"],
        content["data"],
        content["training"],
    )


def shipped(model: str, system: System, training: TrainingSet) -> Path | None:
    """Weights that come with this package for ``model`` on this system, trained on these very frames."""
    folder = files(__package__) / "weights"
    wanted = (system_entry(system, training.train.frame_ps), data_entry(training))
    for path in sorted(Path(str(folder)).glob("*.toml")):
        content = checkpoint.read(path).content
        if content["model"] == model and content["system"] == wanted[0] and same_data(content["data"], wanted[1]):
            return path
    return None


def system_entry(system: System, frame_ps: float | None) -> dict[str, Any]:
    """What tells one system from another, as TOML values; ``frame_ps`` is 0 for independent frames."""
    atoms = "\n".join(str(atom) for atom in system.topology.atoms)
    weights = np.round(system.mapping.weights.toarray(), 6).tobytes()
    return {
        "atoms": system.topology.n_atoms,
        "beads": system.mapping.beads,
        "atoms_sha256": hashlib.sha256(atoms.encode()).hexdigest(),
        "beads_sha256": hashlib.sha256(weights).hexdigest(),
        "temperature_K": float(system.temperature_K),
        "frame_ps": float(frame_ps or 0.0),
    }


def data_entry(training: TrainingSet) -> dict[str, Any]:
    """What tells one training split from another: frames, trajectories, root mean square of all coordinates, nm."""
    positions = training.train.positions
    radius = float(np.sqrt(np.mean(np.square(positions, dtype=np.float64))))
    return {"frames": len(training.train), "trajectories": len(training.train.lengths), "rms_nm": radius}


def same_data(stored: dict[str, Any], given: dict[str, Any]) -> bool:
    """Whether two ``data_entry`` are of the same frames."""
    counts = all(stored[name] == given[name] for name in ("frames", "trajectories"))
    return counts and abs(stored["rms_nm"] / given["rms_nm"] - 1) < RADIUS_TOLERANCE
