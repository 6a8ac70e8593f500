"""Vectors and internal coordinates in torch: everything is a function of (..., 3) tensors, nm and rad."""

from __future__ import annotations

import math

import torch
from torch import Tensor

TINY = 1e-9  # nm; keeps a vector of length 0 from becoming NaN


def unit(vectors: Tensor) -> Tensor:
    """Vectors of length 1."""
    lengths: Tensor = vectors.norm(dim=-1, keepdim=True)
    return vectors / lengths.clamp_min(TINY)


def perpendicular(vectors: Tensor, axis: Tensor) -> Tensor:
    """Unit vectors along the part of ``vectors`` at right angles to the unit vectors ``axis``."""
    return unit(vectors - (vectors * axis).sum(-1, keepdim=True) * axis)


def frame(before: Tensor, here: Tensor, after: Tensor) -> Tensor:
    """Right-handed orthonormal axes (..., 3, 3), one per row, of three points: tangent, inward normal, binormal."""
    tangent = unit(after - before)
    normal = perpendicular(before + after - 2 * here, tangent)
    return torch.stack([tangent, normal, torch.linalg.cross(tangent, normal)], dim=-2)


def into(axes: Tensor, vectors: Tensor) -> Tensor:
    """Components of ``vectors`` (..., k, 3) along the rows of ``axes`` (..., 3, 3)."""
    return vectors @ axes.transpose(-1, -2)


def extend(bonded: Tensor, angle_atom: Tensor, torsion_atom: Tensor, internal: Tensor) -> Tensor:
    """Positions of atoms from three others each and their (bond, angle, torsion), (..., 3): nm, rad, rad.

    The natural extension reference frame (Parsons et al., J. Comput. Chem. 26, 1063, 2005).
    """
    bond, angle, torsion = internal.unbind(-1)
    axis = unit(bonded - angle_atom)
    normal = unit(torch.linalg.cross(angle_atom - torsion_atom, axis))
    inward = torch.linalg.cross(normal, axis)
    across = bond * angle.sin()
    along = (-bond * angle.cos())[..., None] * axis
    placed: Tensor = (
        bonded + along + (across * torsion.cos())[..., None] * inward + (across * torsion.sin())[..., None] * normal
    )
    return placed


def distance(first: Tensor, second: Tensor) -> Tensor:
    """Distances, (...)."""
    length: Tensor = (first - second).norm(dim=-1)
    return length


def angle(first: Tensor, middle: Tensor, last: Tensor) -> Tensor:
    """Angles at ``middle``, rad in [0, pi]."""
    left, right = first - middle, last - middle
    return torch.atan2(torch.linalg.cross(left, right).norm(dim=-1), (left * right).sum(-1))


def torsion(first: Tensor, second: Tensor, third: Tensor, fourth: Tensor) -> Tensor:
    """Torsions about the axis from ``second`` to ``third``, rad in [-pi, pi], IUPAC sign."""
    axis = unit(third - second)
    left = torch.linalg.cross(second - first, axis)
    right = torch.linalg.cross(axis, fourth - third)
    return torch.atan2((torch.linalg.cross(left, right) * axis).sum(-1), (left * right).sum(-1))


def wrapped(angles: Tensor) -> Tensor:
    """The same angles in [-pi, pi)."""
    return (angles + math.pi) % (2 * math.pi) - math.pi
