"""What every move of one particle to another bead would make of the objective, all moves at once.

With the beads as the columns of a 0/1 matrix B and S the second moment of the positions, the reconstruction explains
tr(C^-1 E) of the spread tr S, where C = B^T S B and E = B^T S^2 B. A move of particle a from bead i to j adds
v = e_j - e_i to row a of B, hence C' = C + u v^T + v u^T with u = B^T S_a + S_aa v / 2, and E' alike with
w = B^T (S^2)_a + (S^2)_aa v / 2. By Woodbury's identity the new trace follows from numbers, not matrices, for all
particles and beads at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backmapbench.coarse_graining.assignment import Assignment
from backmapbench.coarse_graining.objective import LIFT_WEIGHT, Moment

NULL = 1e-9  # of the spread: directions with less are rounding
RIDGE = 1e-12  # of the mean spread of a particle: beads that happen to be dependent must not stop the descent

Table = NDArray[np.float64]


class HardBeads:
    """An assignment without empty beads that knows what every single move would make of its objective.

    Attributes:
        labels: bead of each particle, (particles,).
    """

    def __init__(self, moment: Moment, assignment: Assignment, beads: int, lift_weight: float = LIFT_WEIGHT) -> None:
        self.labels = assignment.copy()
        self._weight = lift_weight
        particles = len(moment)
        ridge = RIDGE * np.trace(moment) / particles
        self._first = moment + ridge * (np.eye(particles) - 1.0 / particles)
        self._second = self._first @ self._first
        self._spread = float(np.trace(self._first))
        # Of fewer independent directions than beads almost any beads explain all: only the lift term tells them apart.
        self._saturated = int(np.linalg.matrix_rank(moment, tol=NULL * self._spread, hermitian=True)) < beads
        self._unit = np.eye(beads)
        self.refresh()

    def refresh(self) -> None:
        """Compute all sums over beads anew from ``labels``; ``move`` only updates them."""
        members = self._unit[self.labels]
        self.sizes = members.sum(axis=0)
        self._reach_first, self._reach_second = self._first @ members, self._second @ members
        self._inner, self._outer = members.T @ self._reach_first, members.T @ self._reach_second
        self._solve()

    def move(self, particle: int, bead: int) -> None:
        """Put ``particle`` in ``bead``."""
        change = self._unit[bead] - self._unit[self.labels[particle]]
        _shift(self._first, self._reach_first, self._inner, particle, change)
        _shift(self._second, self._reach_second, self._outer, particle, change)
        self.sizes += change
        self.labels[particle] = bead
        self._solve()

    def _solve(self) -> None:
        self._explained = self._spread
        if not self._saturated:
            self._invert()
        kept = np.array((np.diagonal(self._inner) / self.sizes).sum())
        self.value = float(self._total(np.array(self._explained), kept))

    def _invert(self) -> None:
        # Frames are centred, so C and E send the vector of ones to 0: adding it makes C invertible, the trace stays.
        beads = len(self._inner)
        self._inverse = np.linalg.inv(self._inner + np.trace(self._inner) / beads**2)
        self._sandwich = self._inverse @ self._outer @ self._inverse
        self._explained = float((self._inverse * self._outer).sum())

    def _total(self, explained: Table, kept: Table) -> Table:
        reconstruction = self._spread - explained
        return np.asarray((reconstruction + 3 * self._weight * (self._spread - kept)) / len(self.labels))

    def values_of_moves(self, particles: NDArray[np.intp]) -> Table:
        """Objective (particles, beads), nm^2, with each of ``particles`` alone moved to each bead.

        Infinite where a move would empty a bead or make beads dependent.
        """
        home = self.labels[particles]
        explained = self._explained_after(particles, home) if not self._saturated else np.array(self._spread)
        values = self._total(explained, self._kept_after(particles, home))
        values = np.where(values >= -NULL * self._spread, values, np.inf)  # nan, and nonsense of dependent beads
        values[self.sizes[home] == 1] = np.inf
        values[np.arange(len(home)), home] = self.value
        return values

    def _kept_after(self, particles: NDArray[np.intp], home: NDArray[np.intp]) -> Table:
        """Sum over beads of |sum of members|^2 / size after each move."""
        own = self._first[particles, particles][:, None]
        reach = self._reach_first[particles]
        diagonal = np.diagonal(self._inner)
        shares = diagonal / self.sizes
        joined = (diagonal + 2 * reach + own) / (self.sizes + 1) - shares
        rest = diagonal[home] - 2 * np.take_along_axis(reach, home[:, None], 1)[:, 0] + own[:, 0]
        left = rest / np.maximum(self.sizes[home] - 1, 1) - shares[home]
        return np.asarray(shares.sum() + joined + left[:, None])

    def _explained_after(self, particles: NDArray[np.intp], home: NDArray[np.intp]) -> Table:
        """tr(C'^-1 E') after each move: C' = C + [u v] K [u v]^T with K the swap of two, see the module."""
        inverse, sandwich = self._inverse, self._sandwich
        reach, reach_second = self._reach_first[particles], self._reach_second[particles]
        s = self._first[particles, particles][:, None] / 2
        r = self._second[particles, particles][:, None] / 2

        def along(vectors: Table) -> Table:
            """v^T vectors for every move, (particles, beads)."""
            return np.asarray(vectors - np.take_along_axis(vectors, home[:, None], 1))

        def twice(matrix: Table) -> Table:
            """v^T matrix v for every move."""
            diagonal = np.diagonal(matrix)
            return np.asarray(diagonal - 2 * matrix[home] + diagonal[home][:, None])

        def dot(left: Table, right: Table) -> Table:
            return np.asarray((left * right).sum(axis=1)[:, None])

        a_reach, a_second, p_reach = reach @ inverse, reach_second @ inverse, reach @ sandwich
        v_a_v, v_p_v = twice(inverse), twice(sandwich)
        v_a_reach, v_a_second, v_p_reach = along(a_reach), along(a_second), along(p_reach)
        u_a_v = v_a_reach + s * v_a_v
        w_a_v = v_a_second + r * v_a_v
        u_p_v = v_p_reach + s * v_p_v
        u_a_u = dot(reach, a_reach) + 2 * s * v_a_reach + s**2 * v_a_v
        u_p_u = dot(reach, p_reach) + 2 * s * v_p_reach + s**2 * v_p_v
        u_a_w = dot(reach, a_second) + r * v_a_reach + s * v_a_second + s * r * v_a_v
        # G = K + U^T A U and H = U^T A E' A U, both symmetric 2 x 2, U = [u v].
        g_off = 1 + u_a_v
        h_uu = u_p_u + 2 * u_a_w * u_a_v
        h_uv = u_p_v + u_a_w * v_a_v + u_a_v * w_a_v
        h_vv = v_p_v + 2 * w_a_v * v_a_v
        determinant = u_a_u * v_a_v - g_off**2
        # Staying is 0 / -1; a move that makes beads dependent divides by 0 and is left out by the caller.
        with np.errstate(divide="ignore", invalid="ignore"):
            lost = (v_a_v * h_uu - 2 * g_off * h_uv + u_a_u * h_vv) / determinant
        return np.asarray(self._explained + 2 * w_a_v - lost)


def _shift(power: Table, reach: Table, sums: Table, particle: int, change: Table) -> None:
    """Bring ``reach`` = P B and ``sums`` = B^T P B up to date, in place, when ``change`` is added to a row of B."""
    half = np.outer(reach[particle] + power[particle, particle] / 2 * change, change)
    sums += half + half.T
    reach += np.outer(power[particle], change)
