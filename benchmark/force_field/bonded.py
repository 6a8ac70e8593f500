"""Bonded terms: stretching, bending, torsions and their maps. Each module takes positions (3, atoms, frames)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from backmapbench.force_field.interactions import table
from backmapbench.force_field.safe_geometry import BOND_FLOOR, angle, between, length, torsion

TURN = 2 * np.pi


def register(module: nn.Module, **arrays: NDArray[np.generic]) -> None:
    """Hold arrays as buffers: they follow the module's device and type, and stay out of its state dict."""
    for name, array in arrays.items():
        module.register_buffer(name, torch.from_numpy(np.ascontiguousarray(array)), persistent=False)


class HarmonicBonds(nn.Module):
    """Energy k (r - r0)^2 / 2 of bonds or Urey-Bradley pairs."""

    atoms: Tensor
    rest: Tensor
    constant: Tensor

    def __init__(self, rows: list[tuple[float, ...]]) -> None:
        super().__init__()
        atoms, (rest, constant) = table(rows, 2)
        register(self, atoms=atoms, rest=rest[:, None], constant=constant[:, None])

    def forward(self, x: Tensor) -> Tensor:
        """Energies (frames,) kJ/mol."""
        stretch = length(between(x, self.atoms[0], self.atoms[1]), BOND_FLOOR) - self.rest
        return (0.5 * self.constant * stretch * stretch).sum(0)


class HarmonicAngles(nn.Module):
    """Energy k (theta - theta0)^2 / 2."""

    atoms: Tensor
    rest: Tensor
    constant: Tensor

    def __init__(self, rows: list[tuple[float, ...]]) -> None:
        super().__init__()
        atoms, (rest, constant) = table(rows, 3)
        register(self, atoms=atoms, rest=rest[:, None], constant=constant[:, None])

    def forward(self, x: Tensor) -> Tensor:
        """Energies (frames,) kJ/mol."""
        i, j, k = self.atoms
        bend = angle(between(x, j, i), between(x, j, k)) - self.rest
        return (0.5 * self.constant * bend * bend).sum(0)


def four(x: Tensor, atoms: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine of the torsions of atoms (4, torsions): (torsions, frames) each."""
    i, j, k, last = atoms
    return torsion(between(x, i, j), between(x, j, k), between(x, k, last))


class FourierTorsions(nn.Module):
    """Sums of cos n phi and sin n phi: periodic torsions, and Ryckaert-Bellemans polynomials as Chebyshev series.

    All terms on the same four atoms share one torsion, and its multiples follow by the addition theorem, so neither an
    arc tangent nor a cosine is taken and the gradient has no seam at 180 degrees.
    """

    atoms: Tensor
    cosines: Tensor
    sines: Tensor
    offset: Tensor

    def __init__(self, periodic: list[tuple[float, ...]], polynomials: list[tuple[float, ...]]) -> None:
        super().__init__()
        atoms, place = np.unique(_quadruples(periodic) + _quadruples(polynomials), axis=0, return_inverse=True)
        highest = max([5 if polynomials else 0, *(int(row[4]) for row in periodic)])
        cosines, sines = np.zeros((2, highest + 1, len(atoms)))
        for where, (*_, order, phase, constant) in zip(place.ravel(), periodic, strict=False):
            cosines[0, where] += constant
            cosines[int(order), where] += constant * np.cos(phase)
            sines[int(order), where] += constant * np.sin(phase)
        for where, row in zip(place.ravel()[len(periodic) :], polynomials, strict=True):
            # cos^m(phi - pi) = (-1)^m cos^m(phi), and T_n(cos phi) = cos(n phi).
            series = np.polynomial.chebyshev.poly2cheb([value * (-1) ** m for m, value in enumerate(row[4:])])
            cosines[: len(series), where] += series
        register(self, atoms=atoms.T, cosines=cosines[1:, :, None], sines=sines[1:, :, None])
        register(self, offset=cosines[0].sum(keepdims=True))

    def forward(self, x: Tensor) -> Tensor:
        """Energies (frames,) kJ/mol."""
        cosine, sine = four(x, self.atoms)
        c, s = torch.ones_like(cosine), torch.zeros_like(sine)
        total = torch.zeros_like(cosine)
        for along, across in zip(self.cosines, self.sines, strict=True):
            c, s = c * cosine - s * sine, s * cosine + c * sine
            total = total + along * c + across * s
        return total.sum(0) + self.offset


def _quadruples(rows: list[tuple[float, ...]]) -> list[tuple[int, ...]]:
    return [tuple(int(atom) for atom in row[:4]) for row in rows]


class HarmonicTorsions(nn.Module):
    """Energy k d^2 / 2 with d = |phi - phi0|, or period - d where that is less; phi in (-pi, pi]."""

    atoms: Tensor
    rest: Tensor
    constant: Tensor
    period: Tensor

    def __init__(self, rows: list[tuple[float, ...]]) -> None:
        super().__init__()
        atoms, (rest, constant, period) = table(rows, 4)
        register(self, atoms=atoms, rest=rest[:, None], constant=constant[:, None], period=period[:, None])

    def forward(self, x: Tensor) -> Tensor:
        """Energies (frames,) kJ/mol."""
        cosine, sine = four(x, self.atoms)
        away = (torch.atan2(sine, cosine) - self.rest).abs()
        away = torch.minimum(away, self.period - away)
        return (0.5 * self.constant * away * away).sum(0)
