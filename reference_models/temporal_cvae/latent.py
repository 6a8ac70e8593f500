"""The density that latents are drawn from: a Gaussian mixture fitted to the training posterior (paper sec. 2.4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backmapbench.reference_models.temporal_cvae.network import VoxelCvae
from backmapbench.reference_models.temporal_cvae.pairs import Pairs
from backmapbench.reference_models.temporal_cvae.scene import Scene
from backmapbench.reference_models.temporal_cvae.settings import InferenceSettings
from backmapbench.reference_models.training.draws import generator

BATCH = 128
BLOCK = 256  # frames whose latents are drawn at once
POSTERIOR = 1000  # stream of random numbers, apart from those of training


@dataclass(frozen=True)
class Mixture:
    """A Gaussian mixture.

    Attributes:
        weights: (components,), summing to 1.
        means: (components, latent).
        factors: (components, latent, latent), lower Cholesky factors of the covariances.
    """

    weights: NDArray[np.float32]
    means: NDArray[np.float32]
    factors: NDArray[np.float32]

    def stream(self, seed: tuple[int, ...]) -> Iterator[NDArray[np.float32]]:
        """Endless independent latents (latent,); a function of ``seed`` alone."""
        source = np.random.default_rng(seed)
        chances = self.weights.astype(np.float64) / self.weights.astype(np.float64).sum()
        while True:
            chosen = source.choice(len(chances), size=BLOCK, p=chances)
            noise = source.standard_normal((BLOCK, self.means.shape[1]), dtype=np.float32)
            yield from self.means[chosen] + np.einsum("bij,bj->bi", self.factors[chosen], noise)


def fit_mixture(latents: NDArray[np.floating], components: int, seed: int) -> Mixture:
    """Mixture with full covariances fitted by expectation maximisation to latents (pairs, latent)."""
    from sklearn.mixture import GaussianMixture

    count = min(components, len(latents))
    found = GaussianMixture(n_components=count, covariance_type="full", random_state=seed).fit(latents)
    return Mixture(
        found.weights_.astype(np.float32),
        found.means_.astype(np.float32),
        np.linalg.cholesky(found.covariances_).astype(np.float32),
    )


@torch.inference_mode()
def posterior(
    network: VoxelCvae, scene: Scene, pairs: Pairs, settings: InferenceSettings, seed: int
) -> tuple[NDArray[np.float32], Tensor]:
    """Latents (pairs, latent) of training pairs spread over the data, drawn as in training, and the pairs' indices."""
    count = len(pairs) if settings.pairs is None else min(settings.pairs, len(pairs))
    examples = torch.from_numpy(np.unique(np.linspace(0, len(pairs) - 1, count).astype(np.int64)))
    device = scene.reference.device
    found = []
    for number, chosen in enumerate(torch.split(examples, BATCH)):
        drawn = pairs.draw(chosen, generator(seed, POSTERIOR, number), training=True)
        drawn = {name: values.to(device) for name, values in drawn.items()}
        condition = scene.condition(drawn["beads"], drawn.get("before"))
        mean, deviation = network.encoder(condition, scene.grid(drawn["now"]))
        found.append(mean + deviation * drawn["noise"] if settings.latents == "sampled" else mean)
    return torch.cat(found).cpu().numpy(), examples


def leading_correlation(latents: NDArray[np.floating], energies: NDArray[np.floating]) -> float:
    """|Pearson correlation| of the latents' first principal component with the energies (paper fig. 15)."""
    return float(abs(np.corrcoef(principal_components(latents, 1)[:, 0], energies)[0, 1]))


def principal_components(latents: NDArray[np.floating], count: int) -> NDArray[np.float64]:
    """The leading ``count`` principal components of latents (pairs, latent): (pairs, count)."""
    centred = np.asarray(latents, dtype=np.float64) - np.mean(latents, axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    result: NDArray[np.float64] = centred @ vectors[:, ::-1][:, :count]
    return result
