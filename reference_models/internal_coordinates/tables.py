"""Bond lengths, angles and constant torsions of the 20 amino acids, measured on training frames."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from backmapbench.reference_models.internal_coordinates.residues import (
    AMINO_ACIDS,
    MOST_SIDE,
    NO_RESIDUE,
    RINGS,
    SIDE_CHAINS,
)

# A residue's internal coordinates, nm and rad; those of a peptide bond stand with the residue that gives N.
COLUMNS = ("n_ca", "ca_c", "c_n", "difference", "twist", "n_ca_c", "c_o", "ca_c_o", "o_out", "c_oxt", "ca_c_oxt")
SCALARS = len(COLUMNS)
CB = slice(SCALARS, SCALARS + 3)  # of CB in the axes of ``beta_axes``
SIDE = slice(SCALARS + 3, SCALARS + 3 + 3 * MOST_SIDE)  # bond, angle, torsion (or its distance from chi) of each atom
WIDTH = SIDE.stop
TORSIONS = (COLUMNS.index("twist"), COLUMNS.index("o_out"), *range(SIDE.start + 2, SIDE.stop, 3))
FEWEST = 20  # measurements behind a mean
_DEGREE = math.pi / 180
# Engh and Huber, Acta Cryst. A47, 392 (1991), for what the training frames do not show; OXT as in carboxylates.
USUAL = (0.1458, 0.1525, 0.1329, -5.5 * _DEGREE, 0.0, 111.0 * _DEGREE, 0.1231, 120.8 * _DEGREE, math.pi, 0.1249,
         117.0 * _DEGREE)  # fmt: skip
SPREAD = (0.002, 0.002, 0.002, 2 * _DEGREE, 4 * _DEGREE, 2.5 * _DEGREE, 0.002, 1.5 * _DEGREE, 3 * _DEGREE, 0.002,
          1.5 * _DEGREE)  # fmt: skip


@dataclass(frozen=True)
class Internals:
    """Values for residues (..., WIDTH), read by the names of ``COLUMNS``."""

    values: Tensor

    def __getitem__(self, name: str) -> Tensor:
        return self.values[..., COLUMNS.index(name)]

    def ahead(self, name: str) -> Tensor:
        """Column ``name`` of the next residue."""
        return self[name].roll(-1, dims=-1)

    @property
    def cb(self) -> Tensor:
        """Components of CB, (..., 3), nm."""
        return self.values[..., CB]

    def side(self, place: int) -> Tensor:
        """(bond, angle, torsion) of the ``place``-th side-chain atom, (..., 3)."""
        first = SIDE.start + 3 * place
        return self.values[..., first : first + 3]


@dataclass(frozen=True)
class Tables:
    """Means and standard deviations by type of residue, both (types, WIDTH); NaN where nothing was measured."""

    mean: Tensor
    deviation: Tensor

    @classmethod
    def measured(cls, types: Tensor, columns: Tensor) -> Tables:
        """From measurements (n, WIDTH) of residues ``types`` (n,); NaN where a residue has no such coordinate."""
        mean, deviation = torch.full((2, len(AMINO_ACIDS), WIDTH), math.nan, dtype=torch.float64)
        for kind in range(len(AMINO_ACIDS)):
            mean[kind], deviation[kind] = _statistics(columns[types == kind])
            if AMINO_ACIDS[kind] in RINGS:
                deviation[kind, SIDE.start + 3 :] = torch.where(mean[kind, SIDE.start + 3 :].isnan(), math.nan, 0.0)
        everything, _ = _statistics(columns)
        usual, spread = (torch.tensor(values, dtype=torch.float64) for values in (USUAL, SPREAD))
        usual = torch.where(everything[:SCALARS].isnan(), usual, everything[:SCALARS])
        missing = mean[:, :SCALARS].isnan()
        mean[:, :SCALARS] = torch.where(missing, usual, mean[:, :SCALARS])
        deviation[:, :SCALARS] = torch.where(missing, spread, deviation[:, :SCALARS])
        return cls(mean, deviation)

    def unknown(self, types: Tensor) -> list[str]:
        """Amino acids among ``types`` that too few training frames showed."""
        kinds = sorted(set(types[types != NO_RESIDUE].tolist()))
        return [AMINO_ACIDS[kind] for kind in kinds if not self._complete(kind)]

    def draw(self, types: Tensor, spread: float, generator: Generator | None = None) -> Internals:
        """Independent normal numbers for residues of ``types`` (...); ``spread`` scales deviations, 0 gives means."""
        padded = types.clamp_max(len(AMINO_ACIDS) - 1)
        values = self.mean[padded].nan_to_num()
        if spread:
            noise = torch.randn(values.shape, generator=generator, dtype=values.dtype)
            length = values[..., CB].norm(dim=-1, keepdim=True)
            values = values + spread * self.deviation[padded].nan_to_num() * noise
            # CB's components spread with the angles at CA; its bond is the mean's.
            values[..., CB] *= length / values[..., CB].norm(dim=-1, keepdim=True).clamp_min(1e-6)
        return Internals(values)

    def _complete(self, kind: int) -> bool:
        name = AMINO_ACIDS[kind]
        if name == "GLY":
            return True
        needed = torch.cat([self.mean[kind, CB], self.mean[kind, SIDE][: 3 * len(SIDE_CHAINS[name])]])
        return not bool(needed.isnan().any())


def _statistics(columns: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each column, of torsions about their circular mean; NaN from too few values."""
    found = ~columns.isnan()
    enough = found.sum(0) >= FEWEST
    count = found.sum(0).clamp_min(1)
    values = columns.nan_to_num()
    mean = values.sum(0) / count
    circular = torch.zeros(columns.shape[1], dtype=torch.bool)
    circular[list(TORSIONS)] = True
    sine, cosine = ((part * found).sum(0) for part in (values.sin(), values.cos()))
    mean = torch.where(circular, torch.atan2(sine, cosine), mean)
    away = values - mean
    away = torch.where(circular, torch.atan2(away.sin(), away.cos()), away)
    deviation = ((away.square() * found).sum(0) / count).sqrt()
    return torch.where(enough, mean, math.nan), torch.where(enough, deviation, math.nan)
