"""Terms of the loss (paper eq. 3); all are means over frames and over every other axis, in nm."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from backmapbench.reference_models.temporal_cvae.settings import EnergySettings

SMALLEST_NM2 = 1e-8  # of a squared distance: the root has a slope there
KJ_MOL_K = 0.00831446261815324  # molar gas constant (CODATA 2018)


def distances(points: Tensor) -> Tensor:
    """All pair distances (frames, n, n), nm, at least 1e-4, of points (frames, n, 3)."""
    difference = points[:, :, None] - points[:, None]
    return torch.sqrt(difference.pow(2).sum(-1).clamp_min(SMALLEST_NM2))


def distance_error(predicted: Tensor, atoms: Tensor) -> Tensor:
    """Half the mean squared difference of all N x N distances, nm^2."""
    return 0.5 * functional.mse_loss(distances(predicted), distances(atoms))


def kl_divergence(mean: Tensor, deviation: Tensor) -> Tensor:
    """Divergence of the posterior from a standard normal density: mean over frames, summed over latents, nats."""
    variance = deviation**2
    return 0.5 * (mean**2 + variance - 1 - torch.log(variance.clamp_min(1e-30))).sum(-1).mean()


def energy_error(predicted: Tensor, true: Tensor, unit: float, settings: EnergySettings) -> Tensor:
    """The energy term of energies (frames,), kJ/mol, with differences counted in ``unit`` kJ/mol.

    Infinite energies count nothing: they have no gradient to follow. ``logarithm`` is ln(1 + d^2), ``huber`` is linear
    beyond one unit: frames far off keep a gradient, which a cap on the squared error takes away.
    """
    if settings.cap is not None and settings.cap_on == "energy":
        predicted = predicted.clamp_max(settings.cap)
    finite = torch.isfinite(predicted)
    difference = torch.where(finite, (predicted - true) / unit, 0.0)
    if settings.form == "logarithm":
        terms = torch.log1p(difference**2)
    elif settings.form == "huber":
        terms = functional.huber_loss(difference, torch.zeros_like(difference), reduction="none")
    else:
        terms = difference**2
    if settings.cap is not None and settings.cap_on == "squared-error":
        terms = terms.clamp_max(settings.cap)
    return terms.mean()
