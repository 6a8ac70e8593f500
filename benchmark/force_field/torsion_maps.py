"""CMAP: energy maps over two torsions, interpolated bicubically (MacKerell, Feig, Brooks 2004)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from torch import Tensor, nn

from backmapbench.force_field.bonded import TURN, four, register

# Cubic Hermite basis: value and slope at both ends of the unit interval to the coefficients of 1, t, t^2, t^3.
HERMITE = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [-3, 3, -2, -1], [2, -2, 1, 1]], dtype=np.float64)


def coefficients(energies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bicubic coefficients (size, size, 4, 4) of a periodic map (size, size).

    Slopes at the grid points are those of periodic cubic splines along each axis, the mixed derivative that of the
    spline through the slopes, as OpenMM's CMAPTorsionForce takes them.
    """
    along = _slopes(energies, 0)
    across = _slopes(energies, 1)
    corners = np.empty((*energies.shape, 4, 4))
    values = ((energies, across), (along, _slopes(along, 1)))
    for derivative_0 in (0, 1):
        for derivative_1 in (0, 1):
            field = values[derivative_0][derivative_1]
            for step_0 in (0, 1):
                for step_1 in (0, 1):
                    corner = np.roll(field, (-step_0, -step_1), (0, 1))
                    corners[..., 2 * derivative_0 + step_0, 2 * derivative_1 + step_1] = corner
    return np.asarray(HERMITE @ corners @ HERMITE.T)


def _slopes(field: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Derivatives at the grid points per grid step, of the periodic cubic spline along ``axis``."""
    closed = np.concatenate((field, np.take(field, [0], axis=axis)), axis=axis)
    size = field.shape[axis]
    spline = CubicSpline(np.arange(size + 1), closed, axis=axis, bc_type="periodic")
    return np.asarray(spline(np.arange(size), 1))


class TorsionMaps(nn.Module):
    """Energies of pairs of torsions on their maps; maps may differ in size."""

    first: Tensor
    second: Tensor
    size: Tensor
    offset: Tensor
    spline: Tensor

    def __init__(self, maps: list[NDArray[np.float64]], mapped: list[tuple[int, ...]]) -> None:
        super().__init__()
        rows = np.array(mapped, dtype=np.int64)
        sizes = np.array([len(energies) for energies in maps])
        offsets = np.concatenate(([0], np.cumsum(sizes**2)[:-1]))
        spline = np.concatenate([coefficients(energies).reshape(-1, 16) for energies in maps])
        register(self, first=rows[:, 1:5].T, second=rows[:, 5:9].T, spline=spline)
        register(self, size=sizes[rows[:, 0], None], offset=offsets[rows[:, 0], None])

    def forward(self, x: Tensor) -> Tensor:
        """Energies (frames,) kJ/mol."""
        row, u = self._cell(x, self.first)
        column, v = self._cell(x, self.second)
        c = self.spline[self.offset + row * self.size + column]  # (maps, frames, 16)
        along = [_cubic(c[..., 4 * power : 4 * power + 4], v) for power in range(4)]
        return _cubic(torch.stack(along, -1), u).sum(0)

    def _cell(self, x: Tensor, atoms: Tensor) -> tuple[Tensor, Tensor]:
        """Grid cell of each torsion and the place inside it, in [0, 1]."""
        cosine, sine = four(x, atoms)
        place = torch.remainder(torch.atan2(sine, cosine), TURN) / TURN * self.size
        cell = torch.minimum(place.detach().floor().long(), self.size - 1)
        return cell, place - cell


def _cubic(c: Tensor, t: Tensor) -> Tensor:
    """Polynomial with coefficients (..., 4) of 1, t, t^2, t^3."""
    value: Tensor = ((c[..., 3] * t + c[..., 2]) * t + c[..., 1]) * t + c[..., 0]
    return value
