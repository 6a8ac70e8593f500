"""Distances, angles and torsions whose values and gradients are finite for every finite position.

Positions have the shape (3, atoms, frames): gathering atoms then copies rows of frames, and every sum over components
or atoms runs over contiguous frames. The floors below are where the plain formulas are left; on the far side of each
the quantity is constant and its gradient 0.
"""

from __future__ import annotations

import torch
from torch import Tensor

MINIMUM_DISTANCE = 0.01
"""nm. Non-bonded and 1-4 pairs closer than this have the energy of this distance and no force. The Lennard-Jones energy
there is 1e17 to 1e20 kJ/mol: large, and still finite with its gradient in float32, summed over all atoms."""

COORDINATE_LIMIT = 1e4
"""nm. A frame with a coordinate beyond this, infinite or NaN has infinite energy and no force; below it no square in a
term overflows float32."""

BOND_FLOOR = 1e-12  # nm; the direction of a shorter bond is undefined
CROSS_FLOOR = 1e-12  # nm^2, of |a x b|: straight to within 1e-10 rad at bond lengths of 0.1 nm
TORSION_FLOOR = 1e-15  # nm^4, of |a x b| |b x c|: one of the two angles straight


def between(x: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Vectors from atoms ``first`` to atoms ``second``: (3, pairs, frames)."""
    return x.index_select(1, second) - x.index_select(1, first)


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Scalar products over the first axis."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def cross(a: Tensor, b: Tensor) -> Tensor:
    """Vector products over the first axis."""
    return torch.stack(
        (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]),
    )


def length(a: Tensor, floor: float) -> Tensor:
    """Lengths of vectors, not below ``floor``."""
    return dot(a, a).clamp_min(floor * floor).sqrt()


def angle(a: Tensor, b: Tensor) -> Tensor:
    """Angles between vectors in [0, pi] rad. By atan2, which unlike acos keeps its precision near 0 and pi."""
    return torch.atan2(length(cross(a, b), CROSS_FLOOR), dot(a, b))


def torsion(a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine of the torsions of three consecutive bonds (IUPAC sign); 1 and 0 where undefined.

    With m = a x b and n = b x c the cosine is m.n / |m||n| and the sine |b| a.n / |m||n| (Blondel, Karplus 1996).
    """
    m, n = cross(a, b), cross(b, c)
    x, y = dot(m, n), length(b, BOND_FLOOR) * dot(a, n)
    square = x * x + y * y
    undefined = square < TORSION_FLOOR**2
    scale = square.masked_fill(undefined, 1.0).rsqrt()
    return (x * scale).masked_fill(undefined, 1.0), (y * scale).masked_fill(undefined, 0.0)
