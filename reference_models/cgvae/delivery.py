"""What a row says of itself, what a training leaves behind, and weights that come with the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from backmapbench.submissions.protocol import ModelInfo

if TYPE_CHECKING:
    from backmapbench.reference_models.cgvae.settings import Behaviour
    from backmapbench.reference_models.training import TrainingRequest, TrainingResult

CITATION = "Wang et al., ICML 2022; Kementzidis et al., PMLR 267, 2025"


def delivered_path(behaviour: Behaviour, preset: str, fingerprint: str, seed: int) -> Path:
    """Where the package keeps the checkpoint of this preset, structure and seed, if it brings one."""
    folder = Path(str(files("backmapbench.reference_models.cgvae"))) / "weights"
    return folder / f"{preset}-{behaviour}-{fingerprint[:8]}-seed-{seed}.toml"


def delivered(behaviour: Behaviour, preset: str, fingerprint: str, seed: int) -> Path | None:
    """Checkpoint that comes with the package for this preset, structure and seed; None where there is none."""
    path = delivered_path(behaviour, preset, fingerprint, seed)
    return path if path.is_file() else None


def write_weights(preset: str, request: TrainingRequest, result: TrainingResult, data: str) -> Path:
    """Write the best network of a run beside how it was trained; ``data`` is what it was trained on, in words."""
    from backmapbench.reference_models.training import checkpoint
    from backmapbench.reference_models.training.delivery import FILE, course

    best = checkpoint.read(result.best_weights)
    training = course(preset, request, result) | {"data": data}
    path = request.folder / FILE
    content = {"kind": "weights", "model": "cgvae", "training": training, "description": best.content["description"]}
    checkpoint.write(path, best.tensors, content)
    return path


def row_info(behaviour: Behaviour, temperature: float) -> ModelInfo:
    """Name and description by behaviour; temperature 0 is the row of the mode."""
    what = {
        "legacy": "decoder edges end at the atom cutoff and the KL is as published",
        "fixed": "decoder edges end at the bead cutoff and the KL is correct",
    }
    suffix, way = ("", "latents from the prior") if temperature else ("@mode", "the prior's mean latent")
    return ModelInfo(
        name=f"cgvae-{behaviour}{suffix}",
        description=f"Equivariant variational auto-encoder, beads to atoms in one step; {what[behaviour]}; {way}.",
        deterministic=temperature == 0,
        citation=CITATION,
        licence="MIT",
    )
