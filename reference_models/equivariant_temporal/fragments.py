"""Residues with their caps, and what their stiff coordinates depend on."""

from __future__ import annotations

from dataclasses import dataclass

import mdtraj
import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra

from backmapbench.reference_models.ar_internal.encoding import Encoding
from backmapbench.reference_models.ar_internal.tree import PlacementTree, bonded_matrix
from backmapbench.reference_models.equivariant_temporal.backbone import NUMBERS, Backbone, Trace, unit
from backmapbench.reference_models.equivariant_temporal.settings import Settings
from backmapbench.reference_models.equivariant_temporal.stiff import Regression, harmonics

Floats = NDArray[np.float64]
REACH = 1  # bonds between the centres of a torsion and of a stiff coordinate that depends on it
BACKBONE_INPUTS = 2 * NUMBERS + 5
TORSION_ORDERS = 3  # harmonics of a torsion that stiff coordinates depend on; 3 is a methyl group's symmetry


@dataclass(frozen=True)
class Fragment:
    """A residue with the caps bonded to it, without what the planes place.

    Attributes:
        atoms: its placed atoms.
        columns: its stiff coordinates, among all numbers of the encoding.
        torsions: its freely turning torsions, among all.
        residue: number of its bead.
        stiff: density of its stiff coordinates.
    """

    atoms: NDArray[np.intp]
    columns: NDArray[np.intp]
    torsions: NDArray[np.intp]
    residue: int
    stiff: Regression


def backbone_inputs(trace: Trace, numbers: Floats, carbon: Floats, nitrogen: Floats) -> Floats:
    """What stiff coordinates of each residue know of its backbone: (frames, residues, inputs).

    Both planes' numbers, angle N-CA-C, cosines and sines of phi and psi; zero where the chain has ended.
    """
    frames, residues = trace.beads.shape[:2]
    known = np.zeros((frames, residues, BACKBONE_INPUTS))
    known[:, :-1, :NUMBERS] = numbers
    known[:, 1:, NUMBERS : 2 * NUMBERS] = numbers
    n, ca, c = nitrogen[:, :-1], trace.beads[:, 1:-1], carbon[:, 1:]
    known[:, 1:-1, -5] = (unit(n - ca) * unit(c - ca)).sum(-1)
    phi = _torsion(carbon[:, :-1], n, ca, c)
    psi = _torsion(n, ca, c, nitrogen[:, 1:])
    known[:, 1:-1, -4:] = np.stack([np.cos(phi), np.sin(phi), np.cos(psi), np.sin(psi)], axis=-1)
    return known


def _torsion(a: Floats, b: Floats, c: Floats, d: Floats) -> Floats:
    axis = unit(c - b)
    left, right = np.cross(b - a, axis), np.cross(axis, d - c)
    return np.asarray(np.arctan2((np.cross(left, right) * axis).sum(-1), (left * right).sum(-1)))


def fragment_inputs(known: Floats, angles: Floats) -> Floats:
    """Inputs (..., inputs) of a fragment's stiff coordinates, from its backbone's and its torsions (..., torsions)."""
    waves = harmonics(angles, TORSION_ORDERS)
    return np.concatenate([np.broadcast_to(known, (*waves.shape[:-1], known.shape[-1])), waves], axis=-1)


def fit_fragments(
    topology: mdtraj.Topology,
    backbone: Backbone,
    tree: PlacementTree,
    encoding: Encoding,
    data: tuple[Floats, Floats, Floats],
    settings: Settings,
) -> tuple[Fragment, ...]:
    """All fragments, from ``data``: backbone inputs, stiff numbers and torsions of training frames."""
    known, numbers, angles = data
    residue = np.array([atom.residue.index for atom in topology.atoms])
    bonds = dijkstra(bonded_matrix(topology), unweighted=True)
    # A cap has no bead; it goes with the residue it is bonded to.
    own = residue[None, tree.atoms] == backbone.residues[:, None]
    owner = np.where(own.any(axis=0), own.argmax(axis=0), bonds[np.ix_(backbone.ca, tree.atoms)].argmin(axis=0))
    column_owner, column_atom = (
        np.repeat(values[:, None], 3, axis=1)[encoding.gaussian] for values in (owner, tree.references[:, 0])
    )
    made = []
    for number in np.unique(owner):
        columns = np.flatnonzero(column_owner == number)
        torsions = np.flatnonzero(owner[encoding.free] == number)
        inputs = fragment_inputs(known[:, number], angles[:, torsions])
        sees = _sees(bonds, column_atom[columns], tree.references[encoding.free[torsions], 0], backbone.ca[number])
        stiff = Regression.fit(inputs, numbers[:, columns], sees, settings.ridge)
        made.append(Fragment(tree.atoms[owner == number], columns, torsions, int(number), stiff))
    return tuple(made)


def _sees(bonds: Floats, centres: NDArray[np.intp], axes: NDArray[np.intp], ca: np.intp) -> NDArray[np.bool_]:
    """Which inputs each stiff coordinate depends on, (inputs, numbers): what happens within a few bonds of its centre.

    With all inputs, rare combinations of far torsions would bend rings.
    """
    backbone = np.repeat((bonds[centres, ca] <= REACH)[None], BACKBONE_INPUTS, axis=0)
    torsions = np.tile(bonds[np.ix_(axes, centres)] <= REACH, (2 * TORSION_ORDERS, 1))
    return np.concatenate([backbone, torsions])
