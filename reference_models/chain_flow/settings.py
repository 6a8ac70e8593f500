"""What a preset of ``chain-flow`` says."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from backmapbench.reference_models.training.presets import preset_names, read_preset
from backmapbench.reference_models.training.settings import AdamWSettings, Strict

PACKAGE = "backmapbench.reference_models.chain_flow.presets"
DEFAULT = "proteins"


class DataSettings(Strict):
    """Frames beside those of the task that is trained on."""

    datasets: tuple[str, ...] = Field(
        default=(), description="names from the catalogue; their training and validation splits are added"
    )
    examples: int = Field(ge=1, description="frames of each molecule in a pass; more are thinned")
    repeats: int = Field(default=1, ge=1, description="most times that a molecule of few frames is seen in a pass")


class PriorSettings(Strict):
    """The Gaussian chain that the flow starts from; see ``prior``."""

    bond_nm: float = Field(gt=0, description="root mean square distance of C-alphas that follow each other")
    stiffness: float = Field(ge=0, lt=1, description="correlation of neighbouring bonds, beyond its decay")
    persistence: float = Field(gt=0, description="bonds over which the correlation falls by a factor e")
    offset_nm: float = Field(gt=0, description="of a residue's heavy atoms from its C-alpha, per coordinate")


class BeadSettings(Strict):
    """Which beads the training shows."""

    fewest: int = Field(default=2, ge=1, description="beads of a molecule")
    residues: float = Field(default=2.0, ge=1, description="fewest residues per bead on average")
    equal: float = Field(ge=0, le=1, description="share of examples cut into equal runs; others anywhere")
    scattered: float = Field(ge=0, le=1, description="share of examples whose beads hold several runs")
    c_alphas: float = Field(ge=0, le=1, description="share of examples whose beads are centres of C-alphas alone")


class NetworkSettings(Strict):
    """Sizes; see ``network``."""

    scalars: int = Field(ge=8, description="invariant numbers of a residue")
    vectors: int = Field(ge=4, description="vectors of a residue")
    heads: int = Field(ge=1, description="of the attention; divides both")
    layers: int = Field(ge=1)

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.scalars % self.heads or self.vectors % self.heads:
            raise ValueError(f"heads = {self.heads} has to divide scalars and vectors")
        return self


class SamplingSettings(Strict):
    """How structures are drawn."""

    steps: int = Field(ge=2, description="evaluations of the velocity")
    bunching: float = Field(ge=1, description="above 1: steps are shorter towards the end, where details form")
    temperature: float = Field(ge=0, description="factor on the prior's deviations")
    settling: int = Field(ge=0, description="iterations of C-alphas towards bond lengths and free of overlaps")
    rounds: int = Field(ge=1, description="times that heavy atoms are placed and C-alphas moved towards the beads")
    relaxing: int = Field(ge=0, description="iterations that relieve overlaps of the heavy atoms")
    redraws: int = Field(ge=0, description="times that structures with overlaps are drawn anew; the best is kept")
    mode_draws: int = Field(ge=1, description="pairs of structures behind the mode, of noise and its opposite")
    mode_steps: int = Field(ge=0, description="iterations that part the mode's atoms")


class CourseSettings(AdamWSettings):
    """How the network is trained."""

    local: float = Field(ge=0, description="weight of differences along the chain in the loss")


class Preset(Strict):
    """A whole preset."""

    data: DataSettings
    prior: PriorSettings
    beads: BeadSettings
    network: NetworkSettings
    sampling: SamplingSettings
    training: CourseSettings


def presets() -> tuple[str, ...]:
    """Names of all presets."""
    return preset_names(PACKAGE)


def load_preset(name: str, changes: tuple[str, ...] = ()) -> Preset:
    """The preset ``name`` with ``changes``. Raises UnknownNameError or CardError."""
    return read_preset(PACKAGE, name, Preset, changes)
