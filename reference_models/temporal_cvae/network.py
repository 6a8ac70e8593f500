"""Encoder and decoder of the voxel cVAE (paper fig. 2 and sec. 2.2; layers as in the published code)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from backmapbench.reference_models.temporal_cvae.settings import NetworkSettings

OCTANT = 2  # the latent's own grid is 2 x 2 x 2
SLOPE = 0.01


@dataclass(frozen=True)
class Sizes:
    """What the molecule and the grid decide: ``atoms`` N, ``beads`` n, ``cells`` d along each axis."""

    atoms: int
    beads: int
    cells: int


class Residual(nn.Module):
    """Two 3 x 3 x 3 convolutions beside a skip; ``stride`` 2 halves the grid (skip: max-pooling and 1 x 1 x 1)."""

    def __init__(self, channels: int, cells: int, stride: int, settings: NetworkSettings) -> None:
        super().__init__()
        after = cells // stride
        self.body = nn.Sequential(
            nn.Conv3d(channels, channels, 3, stride, 1),
            normalisation(channels, after, settings),
            nn.LeakyReLU(SLOPE),
            nn.Conv3d(channels, channels, 3, 1, 1),
            normalisation(channels, after, settings),
        )
        self.skip = (
            nn.Identity() if stride == 1 else nn.Sequential(nn.MaxPool3d(2, 2), nn.Conv3d(channels, channels, 1))
        )
        self.weight = 0.5 if settings.residual == "half-sum" else 1.0

    def forward(self, x: Tensor) -> Tensor:
        """(frames, channels, cells, cells, cells), halved cells with stride 2."""
        return functional.leaky_relu(self.weight * (self.body(x) + self.skip(x)), SLOPE)


class Encoder(nn.Module):
    """Posterior of the latent given condition and atoms: mean and standard deviation, (frames, latent) each."""

    def __init__(self, sizes: Sizes, settings: NetworkSettings) -> None:
        super().__init__()
        width, cells = settings.encoder, sizes.cells
        inputs = sizes.beads + sizes.atoms * (1 + settings.previous)
        self.heads_give = settings.heads
        self.body = nn.Sequential(
            nn.Conv3d(inputs, width, settings.stem, 1, settings.stem // 2),
            normalisation(width, cells, settings),
            nn.LeakyReLU(SLOPE),
            Residual(width, cells, 1, settings),
            Residual(width, cells, 2, settings),
            Residual(width, cells // 2, 1, settings),
            Residual(width, cells // 2, 2, settings),
            Residual(width, cells // 4, 1, settings),
            nn.Flatten(),
        )
        features = width * (cells // 4) ** 3
        self.mean = nn.Linear(features, settings.latent)
        self.spread = nn.Linear(features, settings.latent)

    def forward(self, condition: Tensor, atoms: Tensor) -> tuple[Tensor, Tensor]:
        """Of voxels (frames, channels, d, d, d): the condition's and those of the atoms to be found again."""
        features = self.body(torch.cat([condition, atoms], dim=1))
        spread = self.spread(features).float()
        deviation = torch.exp(0.5 * spread) if self.heads_give == "log-variance" else functional.softplus(spread)
        return self.mean(features).float(), deviation


class Decoder(nn.Module):
    """Densities of the atoms given condition and latent, each between 0 and 1."""

    def __init__(self, sizes: Sizes, settings: NetworkSettings) -> None:
        super().__init__()
        width, cells = settings.decoder, sizes.cells
        inputs = sizes.beads + sizes.atoms * settings.previous
        self.cells = cells
        self.latent_channels = settings.latent // OCTANT**3
        self.condition = nn.Sequential(
            nn.Conv3d(inputs, width, 3, 1, 1),
            normalisation(width, cells, settings),
            nn.LeakyReLU(SLOPE),
            Residual(width, cells, 1, settings),
            Residual(width, cells, 1, settings),
        )
        self.latent = nn.Sequential(nn.Conv3d(self.latent_channels, width, 5, 1, 2), nn.LeakyReLU(SLOPE))
        output = nn.Conv3d(2 * width, sizes.atoms, 1)
        self.trunk = nn.Sequential(
            nn.Conv3d(2 * width, 2 * width, 3, 1, 1),
            normalisation(2 * width, cells, settings),
            nn.LeakyReLU(SLOPE),
            Residual(2 * width, cells, 1, settings),
            Residual(2 * width, cells, 1, settings),
            output,
        )
        if settings.floor is not None:
            # Half of the voxels' range everywhere is what the first hundreds of steps would otherwise unlearn.
            nn.init.constant_(output.get_parameter("bias"), math.log(settings.floor / (1 - settings.floor)))

    def forward(self, condition: Tensor, latent: Tensor) -> Tensor:
        """(frames, atoms, d, d, d) of the condition's voxels and latents (frames, latent)."""
        small = latent.reshape(-1, self.latent_channels, OCTANT, OCTANT, OCTANT)
        # Each octant of the grid holds one constant: what replicating the border of 2 x 2 x 2 cells comes to.
        spread = functional.interpolate(small, size=(self.cells,) * 3, mode="nearest")
        both = torch.cat([self.condition(condition), self.latent(spread)], dim=1)
        return torch.sigmoid(self.trunk(both).float())


class VoxelCvae(nn.Module):
    """Encoder and decoder; the condition is the voxels of the beads and, with ``previous``, of the frame before."""

    def __init__(self, sizes: Sizes, settings: NetworkSettings) -> None:
        super().__init__()
        self.sizes, self.settings = sizes, settings
        self.encoder = Encoder(sizes, settings)
        self.decoder = Decoder(sizes, settings)

    def forward(self, condition: Tensor, atoms: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstructed voxels (frames, atoms, d, d, d), and the posterior's mean and deviation (frames, latent).

        ``noise`` (frames, latent): standard normal numbers that make the latent.
        """
        mean, deviation = self.encoder(condition, atoms)
        return self.decoder(condition, mean + deviation * noise), mean, deviation


def normalisation(channels: int, cells: int, settings: NetworkSettings) -> nn.Module:
    """Over channels and voxels of each frame: with weights per channel, or per channel and voxel."""
    if settings.norm == "group":
        return nn.GroupNorm(1, channels)
    return nn.LayerNorm([channels, cells, cells, cells])
