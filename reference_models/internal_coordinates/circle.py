"""Densities of angles: von Mises kernels at equal distances around the circle, weighted."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor


class Circle:
    """Weighted von Mises kernels: exactly periodic, of any shape, and as easily drawn from as evaluated.

    Attributes:
        centres: (bins,), rad.
        concentration: of every kernel.
    """

    def __init__(self, bins: int, kernel_degrees: float) -> None:
        self.centres = (torch.arange(bins, dtype=torch.float64) + 0.5) * (2 * math.pi / bins) - math.pi
        self.concentration = math.radians(kernel_degrees) ** -2
        bessel = torch.special.i0e(torch.tensor(self.concentration, dtype=torch.float64))
        self._normaliser = float(torch.log(2 * math.pi * bessel))

    def log_density(self, logits: Tensor, angles: Tensor) -> Tensor:
        """Log density (...) of ``angles`` (...) under ``logits`` (..., bins), per rad."""
        away = angles[..., None] - self.centres.to(angles.dtype)
        kernels = self.concentration * (away.cos() - 1) - self._normaliser
        return (logits.log_softmax(-1) + kernels).logsumexp(-1)

    def draw(self, logits: Tensor, temperature: float, generator: Generator) -> Tensor:
        """Angles (...) of logits (..., bins); at temperature 0 the heaviest kernel's centre.

        A kernel is drawn as a normal number, which at a spread of a few degrees a von Mises number is.
        """
        if temperature == 0:
            return self.centres.to(logits.dtype)[logits.argmax(-1)]
        share = (logits / temperature).softmax(-1).cumsum(-1)
        where = torch.rand(share.shape[:-1], generator=generator, dtype=share.dtype)
        chosen = (share < where[..., None]).sum(-1).clamp_max(len(self.centres) - 1)
        noise = torch.randn(where.shape, generator=generator, dtype=share.dtype)
        return self.centres.to(logits.dtype)[chosen] + noise * math.sqrt(temperature / self.concentration)
