"""From frames to beads: one call for every method, with what is needed to say later how the beads came about."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import mdtraj
import numpy as np
from numpy.typing import NDArray

from backmapbench.coarse_graining.autograin import ANNEALED, AutoGrainSettings, autograin
from backmapbench.coarse_graining.grouping import KMEANS_STARTS, contiguous, kmeans
from backmapbench.coarse_graining.mapping import CoarseMapping
from backmapbench.coarse_graining.objective import Assignment, Objective, objective
from backmapbench.coarse_graining.particles import Particles, bead_names, particle_indices
from backmapbench.coarse_graining.selection import atom_label
from backmapbench.errors import DataError, UnknownNameError

Method = Literal["autograin", "contiguous", "kmeans"]


@dataclass(frozen=True)
class LearnedBeads:
    """Beads of the particles of one topology.

    Attributes:
        method: how they were found.
        particles: what was put into beads.
        labels: atom label of each particle, in the topology's order.
        assignment: bead of each particle, (particles,).
        names: one per bead.
        objective: of the assignment on the frames given.
        settings: of the method, as plain values.
        mapping: the beads on the atoms of the topology, each the plain mean of its particles.
    """

    method: Method
    particles: Particles
    labels: tuple[str, ...]
    assignment: Assignment
    names: tuple[str, ...]
    objective: Objective
    settings: dict[str, Any]
    mapping: CoarseMapping


def learn(
    topology: mdtraj.Topology,
    positions: NDArray[np.floating],
    beads: int,
    *,
    particles: Particles = "ca",
    method: Method = "autograin",
    seed: int = 0,
    settings: AutoGrainSettings = ANNEALED,
) -> LearnedBeads:
    """Put the particles of ``topology`` into ``beads`` beads, from all-atom ``positions`` (frames, atoms, 3), nm.

    Contiguous beads need no frames, but their objective does. ``settings`` are AutoGrain's.

    Raises DataError (frames that do not fit the topology, a number of beads that cannot be had), CardError (no such
    particles) or UnknownNameError (method).
    """
    if np.ndim(positions) != 3 or np.shape(positions)[1] != topology.n_atoms:
        raise DataError(f"positions have shape {np.shape(positions)}, the topology {topology.n_atoms} atoms")
    chosen = particle_indices(topology, particles)
    frames = np.asarray(positions)[:, chosen]
    used: dict[str, Any] = {}
    if method == "autograin":
        assignment = autograin(frames, beads, seed, settings)
        used = asdict(settings)
    elif method == "kmeans":
        assignment = kmeans(frames, beads, seed)
        used = {"starts": KMEANS_STARTS}
    elif method == "contiguous":
        assignment = contiguous(topology, chosen, beads)
    else:
        raise UnknownNameError("method", method, get_args(Method))
    groups = [chosen[assignment == bead].tolist() for bead in range(int(assignment.max()) + 1)]
    names = bead_names(topology, groups)
    labels = tuple(atom_label(topology.atom(int(index))) for index in chosen)
    mapping = CoarseMapping.from_groups(groups, topology.n_atoms, names)
    return LearnedBeads(method, particles, labels, assignment, names, objective(frames, assignment), used, mapping)
