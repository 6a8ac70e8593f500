"""Particles as densities on a grid, and back (paper eqs. 1 and 2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from backmapbench.reference_models.temporal_cvae.settings import GridSettings

NEWTON_STEPS = 8  # from inside, Newton's method on the concave branch never overshoots and doubles its digits
TINY = 1e-12


class Grid(nn.Module):
    """A cube of d x d x d cells about the origin; every particle has a channel of its own.

    The density is a product of three factors, one an axis, so a voxel field is the outer product of three d-vectors.
    Peaks are not normalised: 1 where a particle sits on a cell centre.

    Attributes:
        cells: d.
        kernel_nm2: s of the density exp(-r^2 / s); its standard deviation is sqrt(s / 2).
        edge_nm: coordinate of the outermost cell centre.
    """

    centres: Tensor

    def __init__(self, settings: GridSettings) -> None:
        super().__init__()
        self.cells = settings.cells
        self.kernel_nm2 = settings.kernel if settings.kernel_form == "variance" else 2 * settings.kernel**2
        half = settings.width_nm / 2
        self.edge_nm = half if settings.points == "end-points" else half * (1 - 1 / settings.cells)
        centres = torch.linspace(-self.edge_nm, self.edge_nm, settings.cells, dtype=torch.float64)
        self.register_buffer("centres", centres.float(), persistent=False)

    def forward(self, points: Tensor) -> Tensor:
        """Densities (frames, particles, d, d, d) of points (frames, particles, 3), nm."""
        x, y, z = self._factors(points).unbind(-2)
        return x[..., :, None, None] * (y[..., :, None] * z[..., None, :])[..., None, :, :]

    def locate(self, voxels: Tensor) -> Tensor:
        """Published read-out: means of the cell centres weighted by density, (frames, particles, 3), nm.

        A constant floor under the density draws points towards the origin, and so does what the grid cuts off a
        particle near its edge.
        """
        along = (voxels.sum((-1, -2)), voxels.sum((-1, -3)), voxels.sum((-2, -3)))
        total = along[0].sum(-1, keepdim=True).clamp_min(TINY)
        return torch.stack([axis @ self.centres for axis in along], dim=-1) / total

    def locate_corrected(self, voxels: Tensor, power: float = 1.0) -> Tensor:
        """Read-out without floor and truncation, (frames, particles, 3), nm.

        The lowest density of a channel counts as its floor and is taken off; the weighted mean of the ``power``-th
        powers is then put through the inverse of what the grid makes of a particle's coordinate. ``power`` > 1 turns
        down a floor that is not constant.
        """
        weights = voxels - voxels.amin((-1, -2, -3), keepdim=True).detach()
        return self._untruncated(self.locate(weights if power == 1 else weights**power), self.kernel_nm2 / power)

    def _factors(self, points: Tensor) -> Tensor:
        return torch.exp(-((points[..., None] - self.centres) ** 2) / self.kernel_nm2)

    def _untruncated(self, means: Tensor, kernel: float) -> Tensor:
        """Coordinates whose density on the grid has these weighted means; derivatives by the inverse function."""
        target = means.detach()
        found = target
        for _ in range(NEWTON_STEPS):
            mean, slope = self._mean(found, kernel)
            found = (found - (mean - target) / slope).clamp(-self.edge_nm, self.edge_nm)
        mean, slope = self._mean(found, kernel)
        return (found + (means - mean) / slope).clamp(-self.edge_nm, self.edge_nm)

    def _mean(self, points: Tensor, kernel: float) -> tuple[Tensor, Tensor]:
        """Weighted mean of the cell centres for coordinates, and its derivative: 2 / s times the weighted variance."""
        # Softmax: the largest exponent is taken out, so nothing underflows far from a centre.
        weights = torch.softmax(-((points[..., None] - self.centres) ** 2) / kernel, dim=-1)
        mean = weights @ self.centres
        variance = weights @ self.centres**2 - mean**2
        return mean, (2 / kernel * variance).clamp_min(1e-3)
