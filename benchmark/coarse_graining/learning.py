"""From frames to beads: one call for every method, with what is needed to say later how the beads came about."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import mdtraj
import numpy as np
from numpy.typing import NDArray

from backmapbench.coarse_graining.assignment import Assignment
from backmapbench.coarse_graining.grouping import KMEANS_STARTS, contiguous, kmeans
from backmapbench.coarse_graining.mapping import CoarseMapping
from backmapbench.coarse_graining.objective import Objective, objective
from backmapbench.coarse_graining.particles import Particles, bead_names, particle_indices
from backmapbench.coarse_graining.selection import atom_label
from backmapbench.coarse_graining.settings import ANNEALED, AutoGrainSettings
from backmapbench.errors import DataError, UnknownNameError

Method = Literal["autograin", "contiguous", "kmeans"]


@dataclass(frozen=True)
class LearnedBeads:
    """Beads of the particles of one topology.

    Attributes:
        method: how they were found.
        seed: of the method; contiguous beads have no use for it.
        particles: what was put into beads.
        labels: atom label of each particle, in the topology's order.
        assignment: bead of each particle, (particles,).
        names: one per bead.
        frames: number of frames given.
        objective: of the assignment on these frames.
        settings: of the method, as plain values; what is not set is left out.
        mapping: the beads on the atoms of the topology, each the plain mean of its particles.
    """

    method: Method
    seed: int
    particles: Particles
    labels: tuple[str, ...]
    assignment: Assignment
    names: tuple[str, ...]
    frames: int
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
        raise DataError(f"positions have shape {np.shape(positions)}, the topology {topology.n_atoms} atoms; give all")
    chosen = particle_indices(topology, particles)
    frames = np.asarray(positions)[:, chosen]
    used: dict[str, Any] = {}
    if method == "autograin":
        from backmapbench.coarse_graining.autograin import autograin

        assignment = autograin(frames, beads, seed, settings)
        used = _plain(settings)
    elif method == "kmeans":
        assignment = kmeans(frames, beads, seed)
        used = {"starts": KMEANS_STARTS}
    elif method == "contiguous":
        assignment = contiguous(topology, chosen, beads)
    else:
        raise UnknownNameError("method", method, get_args(Method))
    groups = [chosen[assignment == bead].tolist() for bead in range(beads)]
    names = bead_names(topology, groups)
    return LearnedBeads(
        method=method,
        seed=seed,
        particles=particles,
        labels=tuple(atom_label(topology.atom(int(index))) for index in chosen),
        assignment=assignment,
        names=names,
        frames=len(frames),
        objective=objective(frames, assignment),
        settings=used,
        mapping=CoarseMapping.from_groups(groups, topology.n_atoms, names),
    )


def _plain(settings: AutoGrainSettings) -> dict[str, Any]:
    """As plain values; TOML has no null, so an unset number of updates is left out, and so are epochs not counted."""
    used = asdict(settings)
    used["schedule"].pop("epochs" if settings.schedule.updates is not None else "updates")
    return used
