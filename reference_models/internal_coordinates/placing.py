"""Heavy atoms of residues from C-alphas, torsions and internal coordinates."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from backmapbench.reference_models.internal_coordinates.geometry import distance, extend, perpendicular, unit
from backmapbench.reference_models.internal_coordinates.layout import REACH, Chainwise
from backmapbench.reference_models.internal_coordinates.peptide import CIS_NM, Bonds, Plane, close
from backmapbench.reference_models.internal_coordinates.residues import (
    AMINO_ACIDS,
    CHIS,
    FIRST_SIDE,
    GLYCINE,
    MOST_SIDE,
    PROLINE,
    SIDE_CHAINS,
    SLOTS,
    TERMINAL_OXYGEN,
    slots,
)
from backmapbench.reference_models.internal_coordinates.tables import Internals

N, CA, C, OXYGEN, BETA = range(5)  # slots, as BACKBONE has them
PSI_FIRST, PHI_LAST, PSI_LAST = range(3)  # torsions of a chain's ends, before the chis
ENDS = 3
TORSIONS = ENDS + CHIS


def windows(ca: Tensor, chains: Chainwise) -> Tensor:
    """Points of every residue's window, (frames, residues, WINDOW, 3), of C-alphas (frames, residues, 3)."""
    frames = torch.arange(len(ca))[:, None, None, None]
    parts = ca[frames, chains.window.expand(len(ca), -1, -1, -1)]
    return (chains.weights.to(ca.dtype)[..., None] * parts).sum(-2)


@dataclass(frozen=True)
class Axes:
    """Axes of the peptide unit after each residue: along the C-alphas, away from the C-alpha before, and a third.

    Attributes:
        along: (frames, residues, 3), as the others.
        out: see above.
        third: see above.
        span: distance to the next C-alpha, (frames, residues), nm.
    """

    along: Tensor
    out: Tensor
    third: Tensor
    span: Tensor

    @classmethod
    def of(cls, window: Tensor) -> Axes:
        """From windows of C-alphas."""
        before, here, after = (window[..., REACH + step, :] for step in (-1, 0, 1))
        along = unit(after - here)
        out = perpendicular(here - before, along)
        return cls(along, out, torch.linalg.cross(along, out), distance(here, after))

    def side(self, turn: Tensor) -> Tensor:
        """Unit vectors at angle ``turn`` (frames, residues) about the axis."""
        return turn.cos()[..., None] * self.out + turn.sin()[..., None] * self.third

    def turn(self, vectors: Tensor) -> Tensor:
        """Angles of ``vectors`` about the axis, rad."""
        return torch.atan2((vectors * self.third).sum(-1), (vectors * self.out).sum(-1))


def plane(axes: Axes, internals: Internals) -> Plane:
    """The peptide unit after each residue."""
    bonds = Bonds(internals["ca_c"], internals.ahead("c_n"), internals.ahead("n_ca"), internals.ahead("difference"))
    return close(axes.span, bonds)


def half_twist(axes: Axes, internals: Internals) -> Tensor:
    """What C is turned forth and N back by from the turn of the unit after each residue, rad; 0 for cis."""
    return torch.where(axes.span < CIS_NM, torch.zeros_like(axes.span), 0.5 * internals.ahead("twist"))


def place_backbone(
    ca: Tensor, chains: Chainwise, turns: Tensor, torsions: Tensor, internals: Internals
) -> tuple[Tensor, Tensor]:
    """Backbone atoms (frames, residues, 4, 3) and terminal oxygens (frames, residues, 3), nm.

    ``turns`` (frames, residues) turn the peptide unit after each residue, ``torsions`` (frames, residues, TORSIONS)
    give those of chain ends: a first residue's N by psi, a last one's C by phi and O by its torsion to N.
    """
    axes = Axes.of(windows(ca, chains))
    unit_plane = plane(axes, internals)
    half = half_twist(axes, internals)
    along, side_c, side_n = axes.along, axes.side(turns + half), axes.side(turns - half)
    carbon = ca + unit_plane.c_along[..., None] * along + unit_plane.c_out[..., None] * side_c
    ahead = ca + unit_plane.n_along[..., None] * along + unit_plane.n_out[..., None] * side_n
    before, after = carbon.roll(1, dims=1), ahead
    nitrogen = ahead.roll(1, dims=1)
    first = _internal(internals["n_ca"], internals["n_ca_c"], torsions[..., PSI_FIRST])
    nitrogen = torch.where(chains.joined[..., None], nitrogen, extend(ca, carbon, after, first))
    last = _internal(internals["ca_c"], internals["n_ca_c"], torsions[..., PHI_LAST])
    carbon = torch.where(chains.linked[..., None], carbon, extend(ca, nitrogen, before, last))
    inner = _internal(internals["c_o"], internals["ca_c_o"], internals["o_out"])
    outer = _internal(internals["c_o"], internals["ca_c_o"], torsions[..., PSI_LAST])
    oxygen = torch.where(
        chains.linked[..., None], extend(carbon, ca, after, inner), extend(carbon, ca, nitrogen, outer)
    )
    terminal = _internal(internals["c_oxt"], internals["ca_c_oxt"], torsions[..., PSI_LAST] + math.pi)
    return torch.stack([nitrogen, ca, carbon, oxygen], dim=-2), extend(carbon, ca, nitrogen, terminal)


def beta_axes(backbone: Tensor) -> Tensor:
    """Orthonormal rows (..., 3, 3): away from N and C, from N to C, and their cross product: that of an L residue's CB.

    They need no ideal angle at CA, so that a side chain keeps its geometry on a distorted backbone.
    """
    to_n, to_c = (unit(backbone[..., slot, :] - backbone[..., CA, :]) for slot in (N, C))
    across = unit(to_c - to_n)
    away = perpendicular(-(to_n + to_c), across)
    return torch.stack([away, across, torch.linalg.cross(away, across)], dim=-2)


def place_sides(types: Tensor, backbone: Tensor, torsions: Tensor, internals: Internals) -> Tensor:
    """All slots (..., SLOTS, 3) of residues ``types`` (...) from backbones (..., 4, 3) and chis in ``torsions``.

    Slots that a residue does not have hold its CA.
    """
    atoms = backbone[..., CA : CA + 1, :].expand(*backbone.shape[:-2], SLOTS, 3).clone()
    atoms[..., :BETA, :] = backbone
    beta = backbone[..., CA, :] + (internals.cb[..., None, :] @ beta_axes(backbone))[..., 0, :]
    atoms[..., BETA, :] = torch.where((types == GLYCINE)[..., None], backbone[..., CA, :], beta)
    for place in range(MOST_SIDE):
        has, *references = (table[types] for table in _STEPS[place][:4])
        if not bool(has.any()):
            continue
        bonded, angle_atom, torsion_atom = (_pick(atoms, slot) for slot in references)
        internal = internals.side(place).clone()
        chi = _STEPS[place][4][types]
        free = torsions.gather(-1, (ENDS + chi - 1).clamp_min(0)[..., None])[..., 0]
        internal[..., 2] += torch.where(chi > 0, free, torch.zeros_like(free))
        placed = extend(bonded, angle_atom, torsion_atom, internal)
        atoms[..., FIRST_SIDE + place, :] = torch.where(has[..., None], placed, atoms[..., CA, :])
    return _closed_prolines(types, atoms)


def with_terminals(atoms: Tensor, terminals: Tensor) -> Tensor:
    """``atoms`` with the terminal oxygens in their slot."""
    atoms = atoms.clone()
    atoms[..., TERMINAL_OXYGEN, :] = terminals
    return atoms


def _closed_prolines(types: Tensor, atoms: Tensor) -> Tensor:
    """CD of prolines moved to the nearest point that is a bond length from both N and CG, where there is one."""
    gamma, delta = FIRST_SIDE, FIRST_SIDE + 1
    to_n, to_g = 0.1475, 0.1505  # Engh and Huber 1991
    start, end = atoms[..., N, :], atoms[..., gamma, :]
    span = distance(start, end).clamp_min(1e-3)
    axis = unit(end - start)
    along = (span.square() + to_n**2 - to_g**2) / (2 * span)
    height = (to_n**2 - along.square()).clamp_min(0).sqrt()
    out = perpendicular(atoms[..., delta, :] - start, axis)
    placed = start + along.clamp(0.0, to_n)[..., None] * axis + height[..., None] * out
    closed = atoms.clone()
    closed[..., delta, :] = torch.where((types == PROLINE)[..., None], placed, atoms[..., delta, :])
    return closed


def _internal(bond: Tensor, angle: Tensor, torsion: Tensor) -> Tensor:
    return torch.stack([bond, angle, torsion], dim=-1)


def _pick(atoms: Tensor, slot: Tensor) -> Tensor:
    index = slot[..., None, None].expand(*slot.shape, 1, 3)
    return atoms.gather(-2, index)[..., 0, :]


def _steps() -> list[tuple[Tensor, ...]]:
    """For each place of a side chain: whether a type has it, the slots it is placed from, its chi; (types + 1,)."""
    steps = []
    for place in range(MOST_SIDE):
        rows = [(0, 0, 0, 0, 0)] * (len(AMINO_ACIDS) + 1)  # the last is padding
        for kind, name in enumerate(AMINO_ACIDS):
            if place < len(SIDE_CHAINS[name]):
                atom, places = SIDE_CHAINS[name][place], slots(name)
                rows[kind] = (1, places[atom.bonded], places[atom.angle], places[atom.torsion], atom.chi)
        table = torch.tensor(rows)
        steps.append((table[:, 0].bool(), *table[:, 1:].unbind(1)))
    return steps


_STEPS = _steps()
