"""Terms of the loss: evidence lower bound and bond graph."""

from __future__ import annotations

import torch
from torch import Tensor

from backmapbench.reference_models.cgvae.settings import Behaviour

Normal = tuple[Tensor, Tensor]
"""Mean and standard deviation of a diagonal normal distribution, (beads, width) each."""


def reconstruction(found: Tensor, atoms: Tensor) -> Tensor:
    """Mean over frames, atoms and components of (x^ - x)^2, Angstrom^2."""
    return ((found - atoms) ** 2).mean()


def divergence(posterior: Normal, prior: Normal, behaviour: Behaviour) -> Tensor:
    """KL(q || p), nats, summed over the latent's components, mean over beads.

    ``legacy`` divides (mu_q - mu_p)^2 by sigma_p, as the published code does, where the KL of normal distributions has
    sigma_p^2.
    """
    (mean_q, sigma_q), (mean_p, sigma_p) = posterior, prior
    ratio = (sigma_q / sigma_p) ** 2
    spread = sigma_p if behaviour == "legacy" else sigma_p**2
    terms = ratio - 1 - torch.log(ratio) + (mean_q - mean_p) ** 2 / spread
    return 0.5 * terms.sum(-1).mean()


def graph_loss(found: Tensor, atoms: Tensor, pairs: Tensor) -> Tensor:
    """Mean over pairs (2, pairs) of the squared error of their distance, Angstrom^2."""
    return ((_distances(found, pairs) - _distances(atoms, pairs)) ** 2).mean()


def _distances(frames: Tensor, pairs: Tensor) -> Tensor:
    between = frames[:, pairs[0]] - frames[:, pairs[1]]
    return torch.sqrt((between**2).sum(-1) + 1e-6)
