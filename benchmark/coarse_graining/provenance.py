"""What a mapping file says of where its beads come from: frames, objective, and how the file was made."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from backmapbench.coarse_graining.objective import Objective

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
SUM_TOLERANCE = 1e-9  # relative: the total is stored beside its terms


class Strict(BaseModel):
    """No unknown field, no change, no infinite number."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Source(Strict):
    """The frames that beads were learned from.

    ``dataset`` is a name in the catalogue, with the card's version and the split; all three are absent for a user's own
    files.
    """

    dataset: str | None = None
    version: int | None = None
    split: str | None = None
    frames: int = Field(ge=1)
    sha256: dict[str, Sha256] = Field(min_length=1, description="hashes of the files, by name")


class Fit(Strict):
    """The objective on all of these frames, nm^2: reconstruction + ``lift_weight`` x lift."""

    reconstruction_nm2: float = Field(ge=0)
    lift_nm2: float = Field(ge=0)
    lift_weight: float = Field(gt=0)
    total_nm2: float = Field(ge=0)

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        total = self.reconstruction_nm2 + self.lift_weight * self.lift_nm2
        if abs(total - self.total_nm2) > SUM_TOLERANCE * max(total, self.total_nm2):
            raise ValueError(f"total_nm2 is {self.total_nm2}, its terms make {total}")
        return self

    @classmethod
    def of(cls, found: Objective) -> Self:
        """The terms of ``found``."""
        return cls(
            reconstruction_nm2=found.reconstruction_nm2,
            lift_nm2=found.lift_nm2,
            lift_weight=found.lift_weight,
            total_nm2=found.total_nm2,
        )


class Origin(Strict):
    """How the file was made."""

    command: str
    wall_seconds: float = Field(ge=0)
    versions: dict[str, str]
