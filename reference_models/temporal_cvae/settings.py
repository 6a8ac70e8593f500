"""Presets of the voxel cVAE, validated. Where paper and published code differ, one entry each decides.

Values marked (code) are what produced the published results, values marked (paper) what the text says.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from backmapbench.reference_models.training.search import Space
from backmapbench.reference_models.training.settings import EngineSettings, Strict


class GridSettings(Strict):
    """The voxels and the density of a particle on them."""

    cells: int = Field(ge=4, multiple_of=4, description="along each axis")
    width_nm: float = Field(gt=0)
    kernel: float = Field(gt=0, description="table 1's sigma")
    kernel_form: Literal["variance", "deviation"] = Field(
        description="exp(-r^2 / kernel), kernel in nm^2 (code); exp(-r^2 / 2 kernel^2), in nm (paper)"
    )
    points: Literal["cell-centres", "end-points"] = Field(
        description="outermost points half a cell inside the width (code), or on it (paper)"
    )


class NetworkSettings(Strict):
    """Encoder and decoder."""

    previous: bool = Field(description="whether the frame before is part of the condition; the twin has false")
    encoder: int = Field(ge=1, description="channels of the encoder")
    decoder: int = Field(ge=1, description="channels of the decoder's two branches")
    latent: int = Field(ge=8, multiple_of=8)
    stem: Literal[3, 5] = Field(description="kernel of the encoder's first convolution")
    residual: Literal["half-sum", "sum"] = Field(description="(code), (paper)")
    norm: Literal["group", "layer"] = Field(
        description="weights per channel (code), or per channel and voxel (paper's LayerNorm)"
    )
    heads: Literal["log-variance", "deviation"] = Field(description="the second head: (code), (paper)")
    floor: float | None = Field(
        default=None, gt=0, lt=1, description="density that the untrained decoder gives everywhere"
    )


class PairSettings(Strict):
    """What a training example is."""

    origin: Literal["own", "beads"] = Field(
        description="each set of points on its own centroid (code), or atoms on the centroid of their frame's beads"
    )
    orientation: Literal["uniform", "euler", "aligned"] = Field(
        description="random rotations, uniform (code) or of three uniform Euler angles (paper); or each frame's beads "
        "turned onto reference beads"
    )
    indexing: Literal["published", "all"] = Field(description="without the pairs that the code left out, or every pair")
    condition_noise_nm: float = Field(ge=0, description="noise on the atoms of the frame before, in training")


class ReadoutSettings(Strict):
    """From densities to coordinates."""

    form: Literal["sum", "corrected"] = Field(description="weighted mean (code), or freed of floor and truncation")
    power: float = Field(default=1.0, ge=1, description="of the densities as weights, form 'corrected' alone")
    projection: bool = Field(description="whether atoms are moved, as one elastic body, onto their beads")


class LossSettings(Strict):
    """Weights of the loss's terms."""

    voxels: float = Field(ge=0)
    coordinates: float = Field(ge=0)
    beads: float = Field(ge=0)
    distances: float = Field(ge=0)
    recentred: bool = Field(
        description="predictions on their own centroid before they are compared (code), or raw (paper)"
    )
    kl: float = Field(ge=0)
    kl_scale: Literal["per-data-set", "one"] = Field(description="mini-batch / training pairs (code), or 1 (paper)")


class KlSettings(Strict):
    """Schedule beta of the KL term: cyclic by equation 6, or 1."""

    cyclic: bool
    steepness: float = 0.0
    centre: float = 0.0
    cycles: int = 0
    length: int = Field(default=1, ge=1)


class EnergySettings(Strict):
    """The energy term and its schedule lambda."""

    force_field: list[str] = Field(min_length=1, description="OpenMM files, applied in vacuum without constraints")
    form: Literal["squared", "logarithm", "huber"]
    unit: Literal["deviation", "kj_mol"] = Field(
        description="differences in standard deviations of the energy (code), or in kJ/mol (paper)"
    )
    deviation_kt: float | None = Field(default=None, gt=0, description="default: measured on the training frames")
    temperature_K: float | None = Field(default=None, gt=0, description="of kT; default: the system's")
    cap: float | None = Field(default=None, gt=0)
    cap_on: Literal["squared-error", "energy"] = Field(
        default="squared-error", description="a bound on the term (code), or on the predicted energy, kJ/mol (paper)"
    )
    start: int = Field(ge=0, description="steps before the term sets in")
    initial: float = Field(gt=0)
    final: float = Field(gt=0)
    steps: int = Field(ge=1, description="from initial to final, exponentially")
    clip: float | None = Field(default=None, gt=0, description="norm of the gradient once the term has set in")


class InferenceSettings(Strict):
    """The density that latents are drawn from."""

    components: int = Field(ge=1, description="of the Gaussian mixture")
    latents: Literal["sampled", "means"] = Field(
        description="what it is fitted to: draws (code) or means of the posterior"
    )
    pairs: int | None = Field(default=None, ge=1, description="training pairs behind it; default: all")


class OptimiserSettings(Strict):
    """Adam."""

    learning_rate: float = Field(gt=0)
    schedule: Literal["constant", "cosine"]
    clip: float | None = Field(default=None, gt=0, description="norm of the gradient before the energy term sets in")


class TrainingSettings(Strict):
    """What of the engine's settings a preset decides; ``mini_batch`` is each replica's."""

    mini_batch: int = Field(ge=1)
    replicas: int = Field(ge=1)
    steps: int = Field(ge=1)
    accumulate: int = 1
    devices: int = 1
    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["32-true", "bf16-mixed", "64-true"]
    log_every: int
    validate_every: int
    validation_batches: int
    checkpoint_every: int
    tensorboard: bool = False

    def engine(self) -> EngineSettings:
        """The engine's settings; the batch is that of all replicas."""
        given = self.model_dump(exclude={"mini_batch", "replicas"})
        return EngineSettings(batch=self.mini_batch * self.replicas, **given)


class Preset(Strict):
    """The whole of a preset's file."""

    grid: GridSettings
    network: NetworkSettings
    pairs: PairSettings
    readout: ReadoutSettings
    loss: LossSettings
    kl: KlSettings
    energy: EnergySettings
    inference: InferenceSettings
    optimiser: OptimiserSettings
    training: TrainingSettings
    search: Space = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        self.training.engine()
        if self.pairs.origin == "beads" and self.loss.recentred:
            raise ValueError(
                "pairs.origin 'beads' with loss.recentred true would compare atoms on their own centroid with atoms on "
                "their beads'; set loss.recentred to false, or pairs.origin to 'own'"
            )
        if self.pairs.origin == "own" and self.readout.projection and not self.loss.recentred:
            raise ValueError(
                "readout.projection true with pairs.origin 'own' would compare atoms on their beads' centroid with "
                "atoms on their own; set loss.recentred to true, or pairs.origin to 'beads'"
            )
        return self
