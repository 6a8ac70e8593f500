"""What a row says of itself, what a training leaves behind, and weights that come with the package."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from backmapbench.errors import SubmissionError
from backmapbench.submissions.protocol import ModelInfo

if TYPE_CHECKING:
    from backmapbench.reference_models.cgvae.settings import Behaviour, Preset
    from backmapbench.reference_models.training import TrainingRequest, TrainingResult

CITATION = "Wang et al., ICML 2022; Kementzidis et al., PMLR 267, 2025"
Way = Literal["prior", "mean", "posterior"]
WAYS: dict[Way, tuple[str, str]] = {
    "prior": ("", "latents from the prior"),
    "mean": ("@mode", "the prior's mean latent"),
    "posterior": ("-posterior", "latents from the posterior"),
}
"""Where latents come from: what a row's name ends in, and words."""


@dataclass(frozen=True)
class Description:
    """What a checkpoint says of the network in it.

    Attributes:
        behaviour: that it was trained with.
        structure: fingerprint of the atoms and beads it is for.
        preset: as trained.
    """

    behaviour: Behaviour
    structure: str
    preset: Preset


def description_of(path: Path) -> Description:
    """The description in the checkpoint at ``path`` (.toml).

    Raises SubmissionError for a checkpoint of another model, CardError for a preset that does not fit, TrainingError
    for a file that is none or is damaged.
    """
    from backmapbench.reference_models.cgvae.settings import Behaviour, Preset
    from backmapbench.reference_models.training import checkpoint
    from backmapbench.reference_models.training.delivery import FILE
    from backmapbench.reference_models.training.presets import validated

    described = checkpoint.read(path).content.get("description")
    model = described.get("model") if isinstance(described, dict) else None
    if not isinstance(model, dict) or not {"behaviour", "structure", "preset"} <= model.keys():
        raise SubmissionError(f"{path}: holds no weights of cgvae; give the {FILE} that its training wrote")
    if model["behaviour"] not in get_args(Behaviour):
        raise SubmissionError(
            f"{path}: behaviour '{model['behaviour']}' is none of {', '.join(get_args(Behaviour))}; train again"
        )
    return Description(model["behaviour"], model["structure"], validated(model["preset"], Preset, str(path)))


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


def row_info(behaviour: Behaviour, way: Way) -> ModelInfo:
    """Name and description by behaviour and by where latents come from."""
    what = {
        "legacy": "decoder edges end at the atom cutoff and the KL is as published",
        "fixed": "decoder edges end at the bead cutoff and the KL is correct",
    }
    suffix, latents = WAYS[way]
    return ModelInfo(
        name=f"cgvae-{behaviour}{suffix}",
        description=f"Equivariant variational auto-encoder, beads to atoms in one step; {what[behaviour]}; {latents}.",
        deterministic=way == "mean",
        citation=CITATION,
        licence="MIT",
    )
