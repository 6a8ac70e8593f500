"""The peptide bond between two fixed C-alphas: a planar unit closed by its two inner angles, turned about the axis."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

CIS_NM = 0.33  # C-alphas nearer than this are joined by a cis peptide: 0.29 nm apart, trans ones 0.38 nm
NARROWEST, WIDEST = math.radians(97), math.radians(140)  # mean of the two inner angles; 119 degrees at 0.38 nm
MOST_STRETCHED = 1.13  # common factor on the three bonds before the one between C and N alone grows
SHORTEST_NM = 1e-4


@dataclass(frozen=True)
class Bonds:
    """Lengths CA-C, C-N, N-CA, nm, and the angle CA-C-N minus the angle C-N-CA, rad; all (...)."""

    ca_c: Tensor
    c_n: Tensor
    n_ca: Tensor
    difference: Tensor


@dataclass(frozen=True)
class Plane:
    """C and N in the unit's plane, nm: along the axis from C-alpha to C-alpha, and out to the side of C; all (...)."""

    c_along: Tensor
    c_out: Tensor
    n_along: Tensor
    n_out: Tensor


def close(span: Tensor, bonds: Bonds) -> Plane:
    """The planar unit whose C-alphas are ``span`` (...) apart, nm.

    With both inner angles written as their mean plus and minus half of ``difference``, the squared span of a trans
    unit is a cosine of the mean, that of a cis unit (where they are nearly equal) a quadratic of its cosine, so the
    mean follows in closed form. Where it would leave [97, 140] degrees, as for noisy beads, the three bonds are
    scaled, and beyond 13 % only the bond between C and N grows.
    """
    span = span.clamp_min(SHORTEST_NM)
    cis = span < CIS_NM
    mean = torch.where(cis, _cis(span, bonds), _trans(span, bonds)).clamp(NARROWEST, WIDEST)
    half = torch.where(cis, torch.zeros_like(span), 0.5 * bonds.difference)
    at_c, at_n = mean + half, mean - half
    side = torch.where(cis, -1.0, 1.0)
    across = bonds.ca_c * at_c.sin() + side * bonds.n_ca * at_n.sin()
    ends = bonds.ca_c * at_c.cos() + bonds.n_ca * at_n.cos()
    scale = (span / (bonds.c_n - ends).hypot(across)).clamp_max(MOST_STRETCHED)
    across, ends = scale * across, scale * ends
    c_n = (span.square() - across.square()).clamp_min(0).sqrt() + ends
    # Rounding apart, this is the scaled bond wherever the scale was not cut off.
    c_n = torch.maximum(c_n, scale * bonds.c_n)
    along, out = (c_n - ends) / span, across / span  # the axis in a system with C at the origin and N on the x axis
    c_x, c_y = -scale * bonds.ca_c * at_c.cos(), scale * bonds.ca_c * at_c.sin()
    n_x = c_n + c_x
    return Plane(c_x * along + c_y * out, c_y * along - c_x * out, n_x * along + c_y * out, c_y * along - n_x * out)


def _trans(span: Tensor, bonds: Bonds) -> Tensor:
    half = 0.5 * bonds.difference
    squares = bonds.ca_c.square() + bonds.c_n.square() + bonds.n_ca.square()
    constant = squares + 2 * bonds.ca_c * bonds.n_ca * bonds.difference.cos()
    even, odd = (bonds.ca_c + bonds.n_ca) * half.cos(), (bonds.ca_c - bonds.n_ca) * half.sin()
    cosine = (constant - span.square()) / (2 * bonds.c_n * even.hypot(odd))
    return cosine.clamp(-1, 1).arccos() - torch.atan2(odd, even)


def _cis(span: Tensor, bonds: Bonds) -> Tensor:
    squares = bonds.ca_c.square() + bonds.c_n.square() + bonds.n_ca.square()
    product = bonds.ca_c * bonds.n_ca
    linear = bonds.c_n * (bonds.ca_c + bonds.n_ca)
    under = linear.square() - 4 * product * (squares - 2 * product - span.square())
    return ((linear - under.clamp_min(0).sqrt()) / (4 * product)).clamp(-1, 1).arccos()
