"""What a row says of itself, what a training leaves behind, and weights that come with the package."""

from __future__ import annotations

import platform
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backmapbench.files import atomic_write
from backmapbench.submissions.protocol import ModelInfo

if TYPE_CHECKING:
    from backmapbench.reference_models.cgvae.settings import Behaviour
    from backmapbench.reference_models.training import TrainingRequest, TrainingResult

CITATION = "Wang et al., ICML 2022; Kementzidis et al., PMLR 267, 2025"
FILE = "weights.toml"


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
    import torch

    from backmapbench.reference_models.training import checkpoint

    best = checkpoint.read(result.best_weights)
    training: dict[str, Any] = {
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
    path = request.folder / FILE
    content = {"kind": "weights", "model": "cgvae", "training": training, "description": best.content["description"]}
    checkpoint.write(path, best.tensors, content)
    return path


DOOR = '''"""The model trained in this folder, for `backmapbench run -m {folder}/model.py:Trained`."""

from pathlib import Path

from {module} import {name}

WEIGHTS = {digests}  # hashes of the weights' tensors: records of other weights do not fit this file


class Trained({name}):
    def __init__(self) -> None:
        super().__init__(weights=Path(__file__).parent{file})
'''


def write_door(folder: Path, module: str, name: str, weights: list[Path]) -> None:
    """A file by which class ``name`` of ``module`` with ``weights`` in ``folder`` enters like a stranger's model."""
    digests = [tomllib.loads(path.read_text(encoding="utf-8"))["tensors"]["sha256"] for path in weights]
    file = f' / "{FILE}"' if weights == [folder / FILE] else ""
    with atomic_write(folder / "model.py", "w") as handle:
        handle.write(DOOR.format(folder=folder.name, module=module, name=name, digests=digests, file=file))


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
