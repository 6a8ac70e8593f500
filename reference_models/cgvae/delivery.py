"""What a row says of itself, and weights that come with the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from backmapbench.reference_models.cgvae.settings import Behaviour
from backmapbench.submissions.protocol import ModelInfo

CITATION = "Wang et al., ICML 2022; Kementzidis et al., PMLR 267, 2025"


def delivered(behaviour: Behaviour, preset: str, fingerprint: str, seed: int) -> Path | None:
    """Checkpoint that comes with the package for this preset, structure and seed; None where there is none."""
    folder = Path(str(files("backmapbench.reference_models.cgvae"))) / "weights"
    path = folder / f"{preset}-{behaviour}-{fingerprint[:8]}-seed-{seed}.toml"
    return path if path.is_file() else None


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
