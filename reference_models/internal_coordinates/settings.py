"""What a preset of ``internal-coordinates`` says."""

from __future__ import annotations

from pydantic import Field

from backmapbench.reference_models.training.presets import preset_names, read_preset
from backmapbench.reference_models.training.settings import AdamWSettings, Strict

PACKAGE = "backmapbench.reference_models.internal_coordinates.presets"
DEFAULT = "proteins"


class DataSettings(Strict):
    """Frames beside those of the task that is trained on."""

    datasets: tuple[str, ...] = Field(
        default=(), description="names from the catalogue; their training and validation splits are added"
    )
    examples: int = Field(ge=1, description="frames of each molecule in a pass; more are thinned, fewer are repeated")


class NoiseSettings(Strict):
    """Noise on the C-alphas in training, so that a chain's predicted C-alphas are no surprise."""

    share: float = Field(ge=0, le=1, description="of the examples that get any")
    largest_nm: float = Field(ge=0, description="standard deviation per coordinate is uniform up to this")


class NetworkSettings(Strict):
    """Sizes; see ``network``."""

    width: int = Field(ge=1, description="of a residue's context and of hidden layers")
    embedding: int = Field(ge=1, description="of a type of residue")
    neighbours: int = Field(ge=1, description="residues near in space, beyond the window, that are seen")
    cutoff_nm: float = Field(gt=0, description="their influence ends here")
    bins: int = Field(ge=12, description="von Mises kernels on the circle")
    kernel_degrees: float = Field(gt=0, description="standard deviation of a kernel")
    dropout: float = Field(ge=0, lt=1, description="share of a context's numbers silenced in training")


class SamplingSettings(Strict):
    """How structures are drawn."""

    contact_nm: float = Field(
        ge=0, description="side-chain atoms nearer than this to another residue overlap; 0: none do"
    )
    redraws: int = Field(ge=0, description="rounds in which side chains that overlap are drawn anew")
    mode_draws: int = Field(ge=2, description="side chains drawn to find the most central one, for the mode")


class Preset(Strict):
    """A whole preset."""

    data: DataSettings
    noise: NoiseSettings
    network: NetworkSettings
    sampling: SamplingSettings
    training: AdamWSettings


def presets() -> tuple[str, ...]:
    """Names of all presets."""
    return preset_names(PACKAGE)


def load_preset(name: str, changes: tuple[str, ...] = ()) -> Preset:
    """The preset ``name`` with ``changes``. Raises UnknownNameError or CardError."""
    return read_preset(PACKAGE, name, Preset, changes)
