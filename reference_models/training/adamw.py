"""AdamW with a warm-up and half a cosine: the part of a learner that several models have in common."""

from __future__ import annotations

import math

import torch
from torch import nn

from backmapbench.reference_models.training.settings import AdamWSettings

WARM_UP = 50  # this part of all steps


class AdamWLearner:
    """Optimiser, rate and clipping as ``course`` says; nothing lies outside network and draw."""

    def __init__(self, network: nn.Module, course: AdamWSettings) -> None:
        self.network, self._course = network, course

    def optimiser(self) -> torch.optim.Optimizer:
        """AdamW."""
        course = self._course
        return torch.optim.AdamW(self.network.parameters(), course.learning_rate, weight_decay=course.weight_decay)

    def rate(self, step: int) -> float:
        """A short linear warm-up, then half a cosine down to 0."""
        steps = self._course.steps
        warm = max(1, steps // WARM_UP)
        return min(1.0, (step + 1) / warm) * 0.5 * (1 + math.cos(math.pi * step / steps))

    def clip(self, step: int) -> float | None:
        """As the preset says."""
        return self._course.clip

    def to(self, device: torch.device) -> None:
        """Nothing lies outside network and draw."""
