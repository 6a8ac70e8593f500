"""A stored objective held against the frames it is said to come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from backmapbench.coarse_graining.mapping_file import MappingFile
from backmapbench.coarse_graining.objective import Objective, objective
from backmapbench.coarse_graining.selection import atom_indices
from backmapbench.coarse_graining.sources import LearningFrames
from backmapbench.errors import CardError, DataError

TOLERANCE = 1e-6  # relative; other machines add in another order
TINY_NM2 = 1e-12  # beads of one particle each leave nothing but rounding


def recomputed_objective(path: Path, content: MappingFile, frames: LearningFrames) -> Objective:
    """The objective of the file ``content``, read from ``path``, computed anew on ``frames``.

    Raises DataError for frames that are not those of the file (by their hashes) and CardError where the file's
    objective is another, or it names atoms that the frames do not have.
    """
    ours, theirs = content.source.sha256, frames.source.sha256
    for name, value in theirs.items():
        if ours.get(name) != value:
            raise DataError(f"{path}: learned from other frames than these ('{name}'); give the same, or learn it anew")
    try:
        chosen = atom_indices(frames.topology, content.atoms)
    except CardError as error:
        raise CardError(f"{path}: {error}") from error
    weight = content.objective.lift_weight
    found = objective(np.asarray(frames.positions)[:, chosen], content.assignment, weight)
    if not np.isclose(found.total_nm2, content.objective.total_nm2, rtol=TOLERANCE, atol=TINY_NM2):
        raise CardError(
            f"{path}: objective.total_nm2 is {content.objective.total_nm2:.9g}, on its frames it is "
            f"{found.total_nm2:.9g}; learn the mapping anew"
        )
    return found
