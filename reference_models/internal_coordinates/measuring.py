"""Known atoms to torsions and internal coordinates: what the network learns from."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from backmapbench.reference_models.internal_coordinates.geometry import angle, distance, into, torsion, wrapped
from backmapbench.reference_models.internal_coordinates.layout import Chainwise
from backmapbench.reference_models.internal_coordinates.peptide import CIS_NM
from backmapbench.reference_models.internal_coordinates.placing import (
    BETA,
    CA,
    ENDS,
    OXYGEN,
    PHI_LAST,
    PSI_FIRST,
    PSI_LAST,
    TORSIONS,
    Axes,
    C,
    N,
    beta_axes,
    windows,
)
from backmapbench.reference_models.internal_coordinates.residues import (
    AMINO_ACIDS,
    FIRST_SIDE,
    SIDE_CHAINS,
    TERMINAL_OXYGEN,
    slots,
)
from backmapbench.reference_models.internal_coordinates.tables import CB, COLUMNS, SIDE, WIDTH


def peptide_turns(ca: Tensor, atoms: Tensor, chains: Chainwise) -> Tensor:
    """Turn of the peptide unit after each residue about the axis of ``ca`` (frames, residues, 3); NaN at chain ends.

    It is the direction from the next N to O of ``atoms`` (frames, residues, SLOTS, 3): C-alphas may carry noise.
    """
    axes = Axes.of(windows(ca, chains))
    turns = axes.turn(atoms[..., OXYGEN, :] - atoms[..., N, :].roll(-1, dims=1))
    return torch.where(chains.linked, turns, math.nan)


def torsions_of(atoms: Tensor, chains: Chainwise) -> Tensor:
    """Torsions of chain ends and chis, (frames, residues, TORSIONS); NaN where there is none."""
    found = torch.full((*atoms.shape[:2], TORSIONS), math.nan, dtype=atoms.dtype)
    n, ca, c, o = (atoms[..., slot, :] for slot in (N, CA, C, OXYGEN))
    psi = torsion(n, ca, c, n.roll(-1, dims=1))
    phi = torsion(c.roll(1, dims=1), n, ca, c)
    found[..., PSI_FIRST] = torch.where(chains.joined, math.nan, psi)
    found[..., PHI_LAST] = torch.where(chains.linked, math.nan, phi)
    found[..., PSI_LAST] = torch.where(chains.linked, math.nan, torsion(n, ca, c, o))
    for kind, name in enumerate(AMINO_ACIDS):
        rows = (chains.types == kind).expand(atoms.shape[:2])
        for place, atom in reversed(list(enumerate(SIDE_CHAINS[name]))):
            if atom.chi and bool(rows.any()):
                found[..., ENDS + atom.chi - 1][rows] = _side_torsion(atoms[rows], name, place)
    return torch.where(chains.real[..., None], found, math.nan)


def internals_of(atoms: Tensor, chains: Chainwise) -> Tensor:
    """Columns of ``tables`` for every residue, (frames, residues, WIDTH); NaN where atoms are missing."""
    found = torch.full((*atoms.shape[:2], WIDTH), math.nan, dtype=atoms.dtype)
    n, ca, c, o, beta = (atoms[..., slot, :] for slot in (N, CA, C, OXYGEN, BETA))
    _peptide_columns(found, atoms, chains)
    own = {
        "n_ca": distance(n, ca),
        "ca_c": distance(ca, c),
        "n_ca_c": angle(n, ca, c),
        "c_o": distance(c, o),
        "ca_c_o": angle(ca, c, o),
        "c_oxt": distance(c, atoms[..., TERMINAL_OXYGEN, :]),
        "ca_c_oxt": angle(ca, c, atoms[..., TERMINAL_OXYGEN, :]),
        "o_out": torch.where(chains.linked, torsion(n.roll(-1, dims=1), ca, c, o), math.nan),
    }
    for name, values in own.items():
        found[..., COLUMNS.index(name)] = values
    found[..., CB] = into(beta_axes(atoms[..., :BETA, :]), (beta - ca)[..., None, :])[..., 0, :]
    torsions = torsions_of(atoms, chains)
    for kind, name in enumerate(AMINO_ACIDS):
        rows = (chains.types == kind).expand(atoms.shape[:2])
        for place in range(len(SIDE_CHAINS[name]) if bool(rows.any()) else 0):
            first = SIDE.start + 3 * place
            found[..., first : first + 3][rows] = _side_columns(atoms[rows], name, place, torsions[rows])
    return torch.where(chains.real[..., None], found, math.nan)


def _peptide_columns(found: Tensor, atoms: Tensor, chains: Chainwise) -> None:
    """Columns of trans peptide bonds, with the residue that gives N."""
    n, ca, c = (atoms[..., slot, :] for slot in (N, CA, C))
    axes = Axes.of(windows(ca, chains))
    ahead, ca_ahead = n.roll(-1, dims=1), ca.roll(-1, dims=1)
    twist = wrapped(axes.turn(c - ca) - axes.turn(ca - ahead))
    columns = {
        "c_n": distance(c, ahead),
        "difference": angle(ca, c, ahead) - angle(c, ahead, ca_ahead),
        "twist": twist,
    }
    trans = chains.linked & (axes.span >= CIS_NM)
    for name, values in columns.items():
        found[..., COLUMNS.index(name)] = torch.where(trans, values, math.nan).roll(1, dims=1)


def _side_torsion(atoms: Tensor, name: str, place: int) -> Tensor:
    atom, places = SIDE_CHAINS[name][place], slots(name)
    first, second, third = (atoms[..., places[other], :] for other in (atom.torsion, atom.angle, atom.bonded))
    return torsion(first, second, third, atoms[..., FIRST_SIDE + place, :])


def _side_columns(atoms: Tensor, name: str, place: int, torsions: Tensor) -> Tensor:
    atom, places = SIDE_CHAINS[name][place], slots(name)
    here, bonded = atoms[..., FIRST_SIDE + place, :], atoms[..., places[atom.bonded], :]
    turned = _side_torsion(atoms, name, place)
    if atom.chi:
        turned = wrapped(turned - torsions[..., ENDS + atom.chi - 1])
    return torch.stack([distance(here, bonded), angle(atoms[..., places[atom.angle], :], bonded, here), turned], dim=-1)
