"""Schedules of the loss's weights by step."""

from __future__ import annotations

import math

from backmapbench.reference_models.temporal_cvae.settings import EnergySettings, KlSettings, OptimiserSettings


def kl_weight(step: int, settings: KlSettings) -> float:
    """Beta of the KL term: a sigmoid in each cycle, then 1 (paper eq. 6); 1 throughout when not cyclic."""
    if not settings.cyclic or step >= settings.cycles * settings.length:
        return 1.0
    exponent = -settings.steepness * (step % settings.length - settings.centre)
    return 1 / (1 + math.exp(min(exponent, 700.0)))


def energy_weight(step: int, settings: EnergySettings) -> float:
    """Lambda of the energy term: 0, then from ``initial`` to ``final`` by equal factors, then constant (paper, SI)."""
    if step < settings.start:
        return 0.0
    done = min(1.0, (step - settings.start) / settings.steps)
    return float(settings.initial * (settings.final / settings.initial) ** done)


def gradient_clip(step: int, energy: EnergySettings, optimiser: OptimiserSettings) -> float | None:
    """Largest norm of the gradient: one value before the energy term sets in, one from then on."""
    return energy.clip if step >= energy.start else optimiser.clip


def rate(step: int, steps: int, settings: OptimiserSettings) -> float:
    """Factor on the learning rate: 1, or a short rise and then half a cosine down to 1 % over the whole run."""
    if settings.schedule == "constant":
        return 1.0
    rise = min(1.0, (step + 1) / max(1, steps // 50))
    return rise * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps))))
