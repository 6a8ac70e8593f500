"""How a run goes, whatever the model: steps, batch, processes, precision, guard, logs."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Strict(BaseModel):
    """Settings refuse entries that they do not know and are never changed in place."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class GuardSettings(Strict):
    """When a step is refused: a loss or gradient that is not finite, or a loss far above the recent ones."""

    window: int = Field(default=200, ge=8, description="accepted steps behind the usual loss; no spike before so many")
    factor: float = Field(default=20.0, gt=1, description="robust standard deviations above the median: a spike")
    patience: int = Field(
        default=20, ge=1, description="refusals in a row before spikes are a new level, and NaN the end of the run"
    )


class EngineSettings(Strict):
    """Settings of the engine.

    ``batch`` is the whole step's, over all processes and micro-batches: neither changes what is learned.
    """

    steps: int = Field(ge=1)
    batch: int = Field(ge=1)
    accumulate: int = Field(default=1, ge=1, description="micro-batches per step")
    devices: int = Field(default=1, ge=1, description="processes; each takes its share of the batch")
    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["32-true", "bf16-mixed", "64-true"] = "32-true"
    log_every: int = Field(default=50, ge=1, description="steps behind each row of the log")
    validate_every: int = Field(default=500, ge=0, description="0: never")
    validation_batches: int = Field(default=8, ge=1)
    checkpoint_every: int = Field(default=500, ge=1)
    tensorboard: bool = False
    guard: GuardSettings = GuardSettings()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.batch % (self.devices * self.accumulate):
            raise ValueError(
                f"batch {self.batch} cannot be dealt to {self.devices} devices x {self.accumulate} micro-batches"
            )
        for name in ("validate_every", "checkpoint_every"):
            # Rows of the log are means since the row before: only between rows is there nothing to store.
            if getattr(self, name) % self.log_every:
                raise ValueError(f"{name} must be a multiple of log_every = {self.log_every}")
        return self


class AdamWSettings(Strict):
    """How a network is trained by AdamW on one CPU process; see ``adamw``."""

    steps: int = Field(ge=1)
    batch: int = Field(ge=1, description="frames")
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    clip: float = Field(gt=0, description="largest norm of a gradient")
    log_every: int = Field(default=100, ge=1)
    validate_every: int = Field(default=500, ge=1)
    validation_batches: int = Field(default=8, ge=1)

    def engine(self) -> EngineSettings:
        """As the engine wants it."""
        return EngineSettings(
            steps=self.steps,
            batch=self.batch,
            log_every=self.log_every,
            validate_every=self.validate_every,
            validation_batches=self.validation_batches,
            checkpoint_every=self.validate_every,
            accelerator="cpu",
        )
