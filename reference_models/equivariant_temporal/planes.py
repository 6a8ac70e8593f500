"""The peptide planes between C-alphas: their stiff numbers, then how they are turned, both with memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backmapbench.reference_models.equivariant_temporal.azimuths import Azimuths, shift
from backmapbench.reference_models.equivariant_temporal.backbone import NUMBERS, Backbone, Trace
from backmapbench.reference_models.equivariant_temporal.settings import Settings
from backmapbench.reference_models.equivariant_temporal.state import State
from backmapbench.reference_models.equivariant_temporal.stiff import Regression, persistence

Floats = NDArray[np.float64]
FARTHEST = 4.0  # standard deviations that noise is remembered to


@dataclass(frozen=True)
class Planes:
    """Stiff numbers given the beads' distances, an autoregressive process in time; then the chain of azimuths.

    Attributes:
        stiff: density of all planes' numbers.
        persistence: correlation of its noise with that of the frame before, (5 planes,).
        azimuths: density of the azimuths.
    """

    stiff: Regression
    persistence: Floats
    azimuths: Azimuths

    @classmethod
    def fit(
        cls, backbone: Backbone, trace: Trace, planes: tuple[Floats, Floats], now: NDArray[np.intp], settings: Settings
    ) -> Planes:
        """From training frames: their trace and measured planes; ``now`` are frames that have a frame before them."""
        numbers = planes[0].reshape(len(trace.length), -1)
        stiff = Regression.fit(trace.length, numbers, None, settings.ridge)
        lasting = persistence(stiff.whiten(trace.length, numbers), now)
        return cls(stiff, lasting, Azimuths.fit(backbone, trace, planes, now, settings))

    def draw(self, trace: Trace, before: State | None, normal: Floats, uniform: Floats) -> tuple[Floats, Floats]:
        """Azimuths (frames, draws, planes), rad, and stiff numbers (frames, planes, 5).

        ``normal`` (frames, 5 planes), ``uniform`` (frames, draws, planes).
        """
        if before is not None:
            normal = self.persistence * before.noise + np.sqrt(1 - self.persistence**2) * normal
        numbers = self.stiff.draw(trace.length, normal).reshape(*trace.length.shape, NUMBERS)
        links = self.azimuths.links(trace.bend, shift(trace, numbers))
        return self.azimuths.draw(links, None if before is None else before.azimuths, uniform), numbers

    def noise(self, trace: Trace, numbers: Floats) -> Floats:
        """What lay behind stiff numbers (frames, planes, 5): (frames, 5 planes)."""
        noise = self.stiff.whiten(trace.length, numbers.reshape(len(trace.length), -1))
        return np.asarray(np.clip(noise, -FARTHEST, FARTHEST))
