"""Descent of hard assignments on the objective: one particle at a time goes to the bead where the objective is least.

It is the limit of zero temperature of the annealed assignment: no noise, every particle in one bead.
"""

from __future__ import annotations

import numpy as np

from backmapbench.coarse_graining.assignment import Assignment
from backmapbench.coarse_graining.hard_beads import HardBeads
from backmapbench.coarse_graining.objective import LIFT_WEIGHT, Moment, objective_of_moment

MAXIMUM_ROUNDS = 200
GAIN = 1e-8  # relative; smaller gains are rounding


def descend(moment: Moment, assignment: Assignment, beads: int, lift_weight: float = LIFT_WEIGHT) -> Assignment:
    """Move particles one by one to better beads until no single move lowers the objective.

    In each round all moves are weighed, and the particles that gain go in the order of their gain (the first of equals
    first), each weighed anew when its turn comes. Beads are never emptied. The result is a local minimum for single
    moves (or the state after 200 rounds), and never worse than ``assignment``, which must have no empty bead.
    """
    if beads == 1 or not moment.any():
        return assignment
    hard = HardBeads(moment, assignment, beads, lift_weight)
    for _ in range(MAXIMUM_ROUNDS):
        best = hard.values_of_moves(np.arange(len(assignment))).min(axis=1)
        gaining = np.flatnonzero(best < hard.value * (1 - GAIN))
        if not len(gaining):
            break
        for particle in gaining[np.argsort(best[gaining], kind="stable")]:
            values = hard.values_of_moves(np.array([particle]))[0]
            if values.min() < hard.value * (1 - GAIN):
                hard.move(int(particle), int(values.argmin()))
        hard.refresh()
    before, after = (objective_of_moment(moment, labels, lift_weight).total_nm2 for labels in (assignment, hard.labels))
    return hard.labels if after < before else assignment


def fill_empty_beads(moment: Moment, assignment: Assignment, beads: int) -> Assignment:
    """Give each empty bead, lowest first, the particle whose leaving its bead lowers the lift term most.

    Leaving a bead of m particles at distance d of its centre lowers the sum of squares by m d^2 / (m - 1). Particles
    alone in their bead stay; of equals the first goes. So no bead of the result is empty (``beads`` must not exceed the
    particles), and the same input gives the same output.
    """
    labels = assignment.copy()
    for bead in range(beads):
        if (labels == bead).any():
            continue
        members = np.eye(beads)[labels]
        sizes = members.sum(axis=0)
        means = members / np.maximum(sizes, 1)
        cross = np.take_along_axis(moment @ means, labels[:, None], 1)[:, 0]
        distance = np.diagonal(moment) - 2 * cross + np.diagonal(means.T @ moment @ means)[labels]
        size = sizes[labels]
        gain = np.where(size > 1, np.maximum(distance, 0) * size / np.maximum(size - 1, 1), -1.0)
        labels[int(gain.argmax())] = bead
    return labels
