"""What a preset of ``cgvae`` says, and which one is meant for a molecule."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from backmapbench.errors import UnsupportedTaskError
from backmapbench.reference_models.training.presets import preset_names, read_preset
from backmapbench.reference_models.training.settings import Strict

PACKAGE = "backmapbench.reference_models.cgvae.presets"
Behaviour = Literal["legacy", "fixed"]
"""``legacy``: the decoder's filters end at the ATOM cutoff and the KL's mean term is divided by sigma, as published.

``fixed``: the decoder's filters end at the bead cutoff, as the encoder's and the prior's do, and the KL is the KL.
"""


class DataSettings(Strict):
    """What a preset was made for."""

    atoms: int | None = Field(default=None, ge=1, description="particles that are generated, n0; None: any")
    beads: int | None = Field(default=None, ge=1, description="particles that are given, n1; None: any")
    frames: int | None = Field(default=None, ge=1, description="training, validation and test frames together")
    source: str = Field(description="table of Kementzidis 2025, or how the numbers were chosen")


class ModelSettings(Strict):
    """Sizes and cutoffs of the networks; lengths in Angstrom, as published."""

    width: int = Field(ge=1, description="F: features of a node, and vector channels of a bead")
    hidden: int | None = Field(
        default=None, ge=1, description="width of the layer within perceptrons; None: F, as published"
    )
    edge_features: int = Field(ge=1, description="K: radial functions")
    encoder_depth: int = Field(ge=1)
    prior_depth: int = Field(ge=1)
    decoder_depth: int = Field(ge=1)
    atom_cutoff_angstrom: float = Field(gt=0, description="d_cut")
    bead_cutoff_angstrom: float = Field(gt=0, description="D_cut")
    encoder_cutoff_angstrom: float | None = Field(
        default=None, gt=0, description="neighbour list of the encoder's atoms where it is not d_cut"
    )


class LossSettings(Strict):
    """Weights of the loss: recon + kl_weight KL + graph_weight graph."""

    graph_weight: float = Field(ge=0, description="gamma")
    kl_weight: float = Field(ge=0, description="beta")
    kl_warm_up: int = Field(default=0, ge=0, description="steps in which the KL's weight grows from 0 to beta; 0: none")
    order: int = Field(ge=1, description="largest number of bonds between the atoms of a pair of the graph loss")


class CourseSettings(Strict):
    """How the networks are trained.

    ``plateau``: the rate is multiplied by ``factor`` where the smoothed validation loss stops falling (as published).
    ``cosine``: it falls to 0 along half a cosine.
    """

    epochs: int | None = Field(default=None, ge=1, description="passes over the training frames; or ``steps``")
    steps: int | None = Field(default=None, ge=1, description="for presets that serve data sets of any size")
    micro_batch: int = Field(ge=1, description="frames that are computed at once")
    accumulate: int = Field(ge=1, description="micro-batches per step")
    learning_rate: float = Field(gt=0)
    schedule: Literal["plateau", "cosine"]
    factor: float = Field(default=0.5, gt=0, lt=1, description="of the plateau schedule")
    clip: float = Field(gt=0, description="largest norm of a gradient")

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give either epochs or steps")
        return self


class Preset(Strict):
    """A whole preset."""

    data: DataSettings
    model: ModelSettings
    loss: LossSettings
    training: CourseSettings


def presets() -> tuple[str, ...]:
    """Names of all presets."""
    return preset_names(PACKAGE)


def load_preset(name: str, changes: tuple[str, ...] = ()) -> Preset:
    """The preset ``name`` with ``changes``. Raises UnknownNameError or CardError."""
    return read_preset(PACKAGE, name, Preset, changes)


def preset_for(atoms: int, beads: int) -> str:
    """Name of the small preset made for this many atoms and beads.

    Small ones alone are chosen unasked: those of the paper train for days. Raises UnsupportedTaskError where none fits.
    """
    small = [name for name in presets() if "-mini-" in name]
    for name in small:
        data = load_preset(name).data
        if (data.atoms, data.beads) == (atoms, beads):
            return name
    raise UnsupportedTaskError(
        f"cgvae: no small preset is made for {atoms} atoms in {beads} beads; "
        f"train it by a named one ({', '.join(presets())})"
    )
