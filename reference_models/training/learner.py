"""What a model tells the engine: its network, what is drawn for a step, what is minimised."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Generator, Tensor, nn

Draw = dict[str, Tensor]
"""All that one step's loss needs, each tensor with the examples along its first axis."""


class Learner(Protocol):
    """The model's part of training. With several processes it is pickled to each of them.

    Losses must be means over examples: then micro-batches and processes change the course by rounding alone.

    Attributes:
        network: all parameters that are trained; its ``forward`` is what ``losses`` calls.
        training_examples: number of examples of the training split.
        validation_examples: number of examples of the validation split.
    """

    network: nn.Module
    training_examples: int
    validation_examples: int

    def optimiser(self) -> torch.optim.Optimizer:
        """A new optimiser of the network's parameters; its state must be tensors."""
        ...

    def rate(self, step: int) -> float:
        """Factor on the optimiser's learning rates at ``step`` (0 is the first)."""
        ...

    def clip(self, step: int) -> float | None:
        """Largest norm of the gradient at ``step``; None: not clipped."""
        ...

    def draw(self, examples: Tensor, generator: Generator, *, training: bool) -> Draw:
        """The examples of these indices (n,) with all random numbers they need, on the CPU."""
        ...

    def losses(self, network: nn.Module, draw: Draw, step: int) -> dict[str, Tensor]:
        """Scalars by name; ``"loss"`` is minimised, the others are logged. The same names at every step.

        ``network`` is the learner's own, wrapped for device and processes: call it, not ``self.network``.
        """
        ...

    def to(self, device: torch.device) -> None:
        """Move what ``losses`` needs beside the network and the draw."""
        ...

    def description(self) -> dict[str, Any]:
        """What decides the course of training, as TOML values; a run is only resumed under the same description."""
        ...
