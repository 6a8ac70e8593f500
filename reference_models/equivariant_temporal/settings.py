"""Hyperparameters of the decoder of C-alpha beads: ``settings.toml``, validated."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

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
    backbones: int = Field(ge=1, description="turns of the peptide planes drawn")
    candidates: int = Field(ge=1, description="conformations drawn for each residue")
    narrow: float = Field(gt=0, le=1, description="factor on the memory's width for every second candidate")
    escapes: int = Field(ge=0, description="candidates with one torsion drawn without memory")
    escape_kt: float = Field(ge=0, description="by how much such a candidate must be better, kT")
    rounds: int = Field(ge=1, description="times that all residues choose")
    most_rounds: int = Field(ge=1, description="the same in a first frame, and where overlaps are left")
    projections: int = Field(ge=0, description="times that distances outside their bounds are corrected")
    settling_steps: int = Field(ge=0, description="of Langevin dynamics, 4 fs each")
    rollouts: int = Field(ge=0, description="after each of which chances of jumps are corrected")
    rollout_trajectories: int = Field(ge=1, description="of training whose beads they follow")
    rollout_frames: int = Field(ge=2, description="of each")
    force_field: tuple[str, ...] = Field(min_length=1, description="OpenMM files with charges and Lennard-Jones")
    dielectric: float = Field(ge=1, description="screens charges in place of the solvent")
    smallest_deviation: float = Field(gt=0, description="nm or rad; what varies less is constant; not on C-alpha beads")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.escapes > self.candidates:
            raise ValueError(f"escapes {self.escapes} are among the candidates, of which there are {self.candidates}")
        return self


def read_settings(text: str | None = None) -> Settings:
    """Settings from TOML ``text``, or the ones next to this module. Raises CardError for what does not fit."""
    if text is None:
        text = (files(__package__) / "settings.toml").read_text(encoding="utf-8")
    try:
        return Settings.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise CardError(f"equivariant-temporal settings: {error}; correct the entry") from error
