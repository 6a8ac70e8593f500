"""Distances kept within what training frames show: a last, deterministic touch that never moves a bead."""

from __future__ import annotations

from dataclasses import dataclass

import mdtraj
import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra

from backmapbench.reference_models.ar_internal.tree import bonded_matrix

Floats = NDArray[np.float64]
ANGLE_BONDS = 2  # the two ends of an angle
LIGHT = 3.0  # a hydrogen gives way this many times as far as a heavy atom
SHORTEST = 1e-6  # nm
TAIL = 0.003  # share of training frames beyond each bound


@dataclass(frozen=True)
class Bounds:
    """Bounds of bonds and of the distances across angles, met by moving both ends along the line between them.

    Corrections of all pairs are averaged per atom and repeated (Jacobi projection, as in Mueller et al., J. Vis.
    Commun. Image Represent. 18, 109, 2007). Within the bounds nothing moves, so fluctuations stay as they were drawn.

    Attributes:
        first, second: atoms of each pair, (pairs,).
        low, high: bounds, nm, (pairs,).
        mobility: share of a correction that each atom takes relative to others, (atoms,); 0 for beads.
    """

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    low: Floats
    high: Floats
    mobility: Floats

    @classmethod
    def fit(cls, topology: mdtraj.Topology, beads: NDArray[np.intp], atoms: Floats) -> Bounds:
        """Bounds seen in training frames (frames, atoms, 3), nm."""
        bonds = dijkstra(bonded_matrix(topology), unweighted=True)
        mobility = np.array(
            [LIGHT if atom.element is not None and atom.element.symbol == "H" else 1.0 for atom in topology.atoms]
        )
        mobility[beads] = 0.0
        first, second = np.nonzero(np.triu(bonds <= ANGLE_BONDS, k=1))
        movable = mobility[first] + mobility[second] > 0
        first, second = first[movable], second[movable]
        distances = np.stack(
            [np.linalg.norm(atoms[:, i] - atoms[:, j], axis=-1) for i, j in zip(first, second, strict=True)]
        )
        low, high = np.quantile(distances, [TAIL, 1 - TAIL], axis=1)
        return cls(first, second, low, high, mobility)

    def project(self, atoms: Floats, steps: int) -> Floats:
        """Atoms (frames, N, 3) with pairs outside their bounds moved towards them ``steps`` times."""
        atoms = atoms.copy()
        weight = self.mobility[self.first] + self.mobility[self.second]
        for _ in range(steps):
            separation = atoms[:, self.second] - atoms[:, self.first]
            distance = np.linalg.norm(separation, axis=-1)
            excess = distance - np.clip(distance, self.low, self.high)
            frames, pairs = np.nonzero(np.abs(excess) > SHORTEST)
            if not len(frames):
                break
            scale = excess[frames, pairs] / (np.maximum(distance[frames, pairs], SHORTEST) * weight[pairs])
            move = scale[:, None] * separation[frames, pairs]
            total, count = np.zeros_like(atoms), np.zeros(atoms.shape[:2])
            for ends, sign in ((self.first[pairs], 1.0), (self.second[pairs], -1.0)):
                np.add.at(total, (frames, ends), sign * self.mobility[ends, None] * move)
                np.add.at(count, (frames, ends), 1.0)
            atoms += total / np.maximum(count, 1.0)[..., None]
        return atoms
