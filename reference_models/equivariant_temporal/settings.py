"""Hyperparameters of the decoder of C-alpha beads: ``settings.toml``, validated."""

from __future__ import annotations

import tomllib
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backmapbench.errors import CardError


class Settings(BaseModel):
    """The whole of ``settings.toml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    grid: int = Field(ge=12, description="cells of a full turn")
    smoothing_degrees: tuple[float, ...] = Field(min_length=1, description="Gaussian widths to choose a torsion's from")
    plane_smoothing_degrees: float = Field(gt=0, description="Gaussian width given to every observed azimuth")
    shared_frames: float = Field(ge=0, description="weight, in frames, of what residues of one class share")
    floor: float = Field(gt=0, lt=1, description="share of a uniform density in every table")
    widest_degrees: float = Field(gt=0, description="a torsion that spreads more is drawn from a table")
    ridge: float = Field(gt=0, description="of the linear dependence of stiff coordinates")
    candidates: int = Field(ge=1, description="conformations drawn for each residue")
    rounds: int = Field(ge=1, description="times that all residues choose")
    first_rounds: int = Field(ge=1, description="the same in a trajectory's first frame")
    contacts: dict[str, tuple[float, float]] = Field(description="half distance of the minimum, nm, and depth, kJ/mol")


def read_settings(text: str | None = None) -> Settings:
    """Settings from TOML ``text``, or the ones next to this module. Raises CardError for what does not fit."""
    if text is None:
        text = (files(__package__) / "settings.toml").read_text(encoding="utf-8")
    try:
        return Settings.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise CardError(f"equivariant-temporal settings: {error}; correct the entry") from error
