"""The conditional density of every torsion, one after the other along the chain and out along each side chain."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from backmapbench.reference_models.internal_coordinates.circle import Circle
from backmapbench.reference_models.internal_coordinates.geometry import frame, into, unit
from backmapbench.reference_models.internal_coordinates.layout import REACH, WINDOW, Chainwise
from backmapbench.reference_models.internal_coordinates.placing import (
    CA,
    ENDS,
    TORSIONS,
    Axes,
    C,
    N,
    half_twist,
    plane,
    windows,
)
from backmapbench.reference_models.internal_coordinates.residues import NO_RESIDUE
from backmapbench.reference_models.internal_coordinates.settings import NetworkSettings
from backmapbench.reference_models.internal_coordinates.tables import Internals

STEP_NM = 0.38  # lengths are given to the network in C-alpha steps
SHELLS = 8  # radial functions of a neighbour's distance
ANGLE_CENTRES = torch.arange(math.radians(80), math.radians(146), math.radians(5), dtype=torch.float64)
ANGLE_WIDTH = math.radians(4)
DIRECTIONS = 4  # at a residue: to N, to C, out of the peptide units before and after


class Context(nn.Module):
    """What a residue's surroundings tell, in its own axes: no rotation or shift of the C-alphas changes a number."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.settings = settings
        self.embedding = nn.Embedding(NO_RESIDUE + 1, settings.embedding)
        seen = 3 + SHELLS + settings.embedding
        hidden = settings.width // 2
        self.message = nn.Sequential(nn.Linear(seen, hidden), nn.SiLU(), nn.Linear(hidden, hidden))
        given = 3 * (WINDOW - 1) + WINDOW * settings.embedding + 2 * REACH + hidden
        self.body = nn.Sequential(
            nn.Linear(given, settings.width),
            nn.SiLU(),
            nn.Linear(settings.width, settings.width),
            nn.SiLU(),
        )

    def forward(self, ca: Tensor, chains: Chainwise, axes: Tensor) -> Tensor:
        """(frames, residues, width) of C-alphas (frames, residues, 3) and the residues' axes (..., 3, 3)."""
        points = windows(ca, chains) - ca[..., None, :]
        others = [place for place in range(WINDOW) if place != REACH]
        near = into(axes, points[..., others, :]) / STEP_NM
        spans = (points[..., 1:, :] - points[..., :-1, :]).norm(dim=-1) / STEP_NM - 1
        kinds = self.embedding(chains.window_types).flatten(-2).expand(*ca.shape[:2], -1)
        given: Tensor = self.body(
            torch.cat([near.flatten(-2), spans, kinds, self._surroundings(ca, chains, axes)], dim=-1)
        )
        return given

    def _surroundings(self, ca: Tensor, chains: Chainwise, axes: Tensor) -> Tensor:
        """Sum of messages from the nearest residues beyond the window."""
        count = min(self.settings.neighbours, ca.shape[1])
        order = torch.arange(ca.shape[1])
        apart = (order[:, None] - order).abs() > REACH
        seen = (apart | (chains.chain[..., None] != chains.chain[:, None])) & chains.real[:, None]
        with torch.no_grad():
            gaps = torch.where(seen, torch.cdist(ca, ca), math.inf)
            nearest = gaps.topk(count, dim=-1, largest=False).indices
        frames = torch.arange(len(ca))[:, None, None]
        vectors = ca[frames, nearest] - ca[..., None, :]
        lengths = vectors.norm(dim=-1)
        cutoff = self.settings.cutoff_nm
        inside = gaps.gather(-1, nearest) < cutoff
        fade = torch.where(inside, 0.5 * (1 + (math.pi * lengths.clamp_max(cutoff) / cutoff).cos()), 0.0)
        centres = torch.linspace(0.3, cutoff, SHELLS, dtype=ca.dtype)
        shells = (-((lengths[..., None] - centres) * (SHELLS / cutoff)).square()).exp()
        kinds = self.embedding(chains.types).expand(len(ca), -1, -1)[frames, nearest]
        directions = into(axes, vectors) / lengths[..., None].clamp_min(1e-6)
        messages = self.message(torch.cat([directions, shells, kinds], dim=-1))
        summed: Tensor = (messages * fade[..., None]).sum(-2)
        return summed


class TorsionNetwork(nn.Module):
    """Weights of the kernels of every torsion, given the C-alphas and the torsions drawn before.

    The order: turns of the peptide units along each chain, torsions of the chain's ends, chis outwards. A turn knows
    the unit before it and, for every kernel, the angle N-CA-C that it would make.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.circle = Circle(settings.bins, settings.kernel_degrees)
        self.context = Context(settings)
        self.turn = _head(2 * settings.width + 6, settings, settings.bins + len(ANGLE_CENTRES))
        given = settings.width + 3 * DIRECTIONS + 3 * TORSIONS
        self.torsion = _head(given, settings, TORSIONS * settings.bins)

    def surroundings(self, ca: Tensor, chains: Chainwise) -> tuple[Tensor, Tensor]:
        """Context (frames, residues, width) and axes (frames, residues, 3, 3)."""
        window = windows(ca, chains)
        axes = frame(*(window[..., REACH + step, :] for step in (-1, 0, 1)))
        return self.context(ca, chains, axes), axes

    def turn_logits(self, given: tuple[Tensor, Tensor], before: Tensor, to_n: Tensor, candidates: Tensor) -> Tensor:
        """Logits (..., bins) of the turn after residues.

        Args:
            given: contexts of the residue and of the next, joined (..., 2 width), and the residue's axes (..., 3, 3).
            before: unit vectors out of the peptide unit before, 0 where there is none, (..., 3).
            to_n: unit vectors from CA to N, 0 where N is not yet placed, (..., 3).
            candidates: unit vectors from CA to C for every kernel's centre, (..., bins, 3).
        """
        context, axes = given
        directions = into(axes, torch.stack([before, to_n], dim=-2)).flatten(-2)
        raw = self.turn(torch.cat([context, directions], dim=-1))
        free, by_angle = raw[..., : candidates.shape[-2]], raw[..., candidates.shape[-2] :]
        angles = (candidates @ to_n[..., None])[..., 0].clamp(-0.9999, 0.9999).arccos()
        shape = (-0.5 * ((angles[..., None] - ANGLE_CENTRES.to(angles.dtype)) / ANGLE_WIDTH).square()).exp()
        known = to_n.square().sum(-1, keepdim=True).round()
        logits: Tensor = free + known * (shape @ by_angle[..., None])[..., 0]
        return logits

    def torsion_logits(self, context: Tensor, directions: Tensor, drawn: Tensor, slot: Tensor) -> Tensor:
        """Logits (n, bins) of torsion ``slot`` (n,) of residues with ``context`` (n, width).

        ``directions`` (n, 3 * DIRECTIONS) of the backbone; ``drawn`` (n, TORSIONS), of which those before ``slot`` that
        are not NaN are looked at. Torsions of a chain's ends come before N and C are placed.
        """
        earlier = (torch.arange(TORSIONS) < slot[:, None]) & ~drawn.isnan()
        angles = drawn.nan_to_num()
        past = torch.cat([angles.cos() * earlier, angles.sin() * earlier, earlier.to(angles.dtype)], dim=-1)
        seen = torch.ones_like(directions)
        seen[:, : 3 * DIRECTIONS // 2] = (slot >= ENDS).to(directions.dtype)[:, None]
        raw = self.torsion(torch.cat([context, directions * seen, past], dim=-1))
        rows = raw.view(len(raw), TORSIONS, -1)
        logits: Tensor = rows[torch.arange(len(raw)), slot]
        return logits


def candidates_of(axes: Axes, internals: Internals, centres: Tensor) -> Tensor:
    """Unit vectors from CA to C for every turn in ``centres`` (bins,): (..., bins, 3)."""
    half, unit_plane = half_twist(axes, internals), plane(axes, internals)
    turns = (half[..., None] + centres.to(half.dtype))[..., None]
    around = turns.cos() * axes.out[..., None, :] + turns.sin() * axes.third[..., None, :]
    along = (unit_plane.c_along[..., None] * axes.along)[..., None, :]
    return unit(along + unit_plane.c_out[..., None, None] * around)


def directions_of(axes: Tensor, backbone: Tensor, out: Tensor, chains: Chainwise) -> Tensor:
    """What side chains see of a backbone (frames, residues, 4, 3), in the residue's axes: (..., 3 * DIRECTIONS).

    ``out`` (frames, residues, 3): unit vectors out of the peptide unit after each residue.
    """
    to_n, to_c = (unit(backbone[..., slot, :] - backbone[..., CA, :]) for slot in (N, C))
    before = out.roll(1, dims=1) * chains.joined[..., None]
    after = out * chains.linked[..., None]
    return into(axes, torch.stack([to_n, to_c, before, after], dim=-2)).flatten(-2)


def _head(given: int, settings: NetworkSettings, out: int) -> nn.Sequential:
    width = settings.width
    return nn.Sequential(
        nn.Linear(given, width),
        nn.SiLU(),
        nn.Linear(width, width),
        nn.SiLU(),
        nn.Linear(width, out),
    )
