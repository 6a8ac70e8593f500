"""Cartesian to internal coordinates along a placement tree, and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backmapbench.reference_models.ar_internal.tree import PlacementTree

BOND, ANGLE, TORSION = 0, 1, 2  # columns of the last axis of internal coordinates


def measure(tree: PlacementTree, positions: NDArray[np.floating]) -> NDArray[np.float64]:
    """Bond length (nm), angle and torsion (rad) of each placed atom: (frames, placed, 3) of (frames, atoms, 3)."""
    positions = np.asarray(positions, dtype=np.float64)
    parent, pivot, far = (positions[:, tree.references[:, column]] for column in range(3))
    bond = positions[:, tree.atoms] - parent
    axis = pivot - parent
    arm = far - pivot
    length = np.linalg.norm(bond, axis=-1)
    axis /= np.linalg.norm(axis, axis=-1, keepdims=True)
    angle = np.arctan2(np.linalg.norm(np.cross(bond, axis), axis=-1), (bond * axis).sum(-1))
    left, right = np.cross(-bond, axis), np.cross(axis, arm)
    torsion = np.arctan2((np.cross(left, right) * axis).sum(-1), (left * right).sum(-1))
    return np.stack([length, angle, torsion], axis=-1)


def place(tree: PlacementTree, beads: NDArray[np.floating], internal: NDArray[np.floating]) -> NDArray[np.float64]:
    """Inverse of ``measure``: atoms (..., atoms, 3) of roots (..., roots, 3), nm, and internal coordinates.

    Roots' atoms stay exactly where they are. Each other atom is placed from its references by the natural extension
    reference frame (Parsons et al., J. Comput. Chem. 26, 1063, 2005), all atoms whose references are known at once.
    """
    atoms = np.empty((*beads.shape[:-2], tree.size, 3))
    atoms[..., tree.roots, :] = beads
    for rows in tree.generations:
        parent, pivot, far = (atoms[..., tree.references[rows, column], :] for column in range(3))
        length, angle, torsion = (internal[..., rows, column, None] for column in range(3))
        axis = _unit(parent - pivot)
        normal = _unit(np.cross(pivot - far, axis))
        inward = np.cross(normal, axis)
        sine = np.sin(angle)
        step = -np.cos(angle) * axis + sine * np.cos(torsion) * inward + sine * np.sin(torsion) * normal
        atoms[..., tree.atoms[rows], :] = parent + length * step
    return atoms


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))
