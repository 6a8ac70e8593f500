"""Hyperparameters of the model: ``settings.toml``, validated."""

from __future__ import annotations

import tomllib
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backmapbench.errors import CardError


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EncodingSettings(_Strict):
    """Which coordinates count as constant and which torsions as free."""

    smallest_deviation: float = Field(gt=0, description="nm or rad; a coordinate that varies less is a constant")
    free_share: float = Field(gt=0, lt=1, description="share of frames beyond 90 degrees from the mean")
    maximum_distances: int = Field(ge=1, description="bead distances told to the network")


class PerceptronSettings(_Strict):
    """Size of one network."""

    width: int = Field(ge=1)
    layers: int = Field(ge=1)
    dropout: float = Field(ge=0, lt=1, description="share of hidden units silenced while training")


class NetworkSettings(_Strict):
    """The two networks: mixtures of free torsions, and the mean of the Gaussian coordinates."""

    components: int = Field(ge=1, description="of each free torsion's mixture")
    harmonics: int = Field(ge=1, description="cos and sin of 1 to this many times a free torsion")
    mixture: PerceptronSettings
    mean: PerceptronSettings


class TrainingSettings(_Strict):
    """How the networks are trained."""

    steps: int = Field(ge=1)
    batch: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    forget: float = Field(gt=0, lt=1, description="share of training frames shown without the frame before")
    clip: float = Field(gt=0, description="largest norm of a gradient")


class Settings(_Strict):
    """The whole of ``settings.toml``."""

    encoding: EncodingSettings
    network: NetworkSettings
    training: TrainingSettings


def read_settings(text: str | None = None) -> Settings:
    """Settings from TOML ``text``, or the ones next to this module. Raises CardError for what does not fit."""
    if text is None:
        text = (files(__package__) / "settings.toml").read_text(encoding="utf-8")
    try:
        return Settings.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise CardError(f"ar-internal settings: {error}; correct the entry") from error
