"""How far molecules and beads reach, and whether the grid holds them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import SubmissionError, UnsupportedTaskError
from backmapbench.reference_models.temporal_cvae.grid import Grid
from backmapbench.reference_models.temporal_cvae.settings import Preset
from backmapbench.submissions.protocol import System, TrainingSet


def farthest(data: Trajectories, preset: Preset, system: System) -> float:
    """Largest distance of an atom from the preset's origin, nm."""
    atoms = data.positions
    origin = atoms if preset.pairs.origin == "own" else system.mapping.positions(atoms)
    return float(np.sqrt(((atoms - origin.mean(axis=1, keepdims=True)) ** 2).sum(-1).max()))


def check_training(preset: Preset, system: System, training: TrainingSet) -> None:
    """Raises UnsupportedTaskError for an atom farther from the origin than the grid's outermost point.

    Distances and not coordinates, for training turns the frames.
    """
    edge = Grid(preset.grid).edge_nm
    found = max(farthest(part, preset, system) for part in (training.train, training.validation))
    if found > edge:
        raise UnsupportedTaskError(
            f"an atom of the training data lies {found:.3f} nm from the origin, beyond the grid's outermost point at "
            f"{edge:.3f} nm; raise grid.width_nm"
        )


def check_beads(name: str, beads: NDArray[np.floating], edge_nm: float, *, turned: bool) -> None:
    """Raises for beads (frames, n, 3), nm, that a grid about their centroid does not hold, in the name of a model.

    Where frames are ``turned`` onto reference beads, what counts is a bead's distance from the centroid, which the
    orientation that frames come in does not change. Where they keep that orientation, the grid's axes are theirs and
    each coordinate counts.

    Raises SubmissionError for a bead that is not finite, UnsupportedTaskError for one off the grid.
    """
    finite = np.isfinite(beads).all(axis=(1, 2))
    if not finite.all():
        frame = int(np.argmin(finite))
        raise SubmissionError(f"{name}: a bead of frame {frame} is missing (not a finite number); give all beads")
    points = np.asarray(beads, dtype=np.float64)
    offset = points - points.mean(axis=1, keepdims=True)
    reach = (np.linalg.norm(offset, axis=-1) if turned else np.abs(offset).max(axis=-1)).max(axis=1)
    if (reach <= edge_nm).all():
        return
    frame = int(np.argmax(reach > edge_nm))
    what = "from the beads' centroid" if turned else "from the beads' centroid along an axis"
    raise UnsupportedTaskError(
        f"{name}: a bead of frame {frame} lies {reach[frame]:.3g} nm {what}, off the grid that ends at "
        f"{edge_nm:.3g} nm; make it whole, or train with a wider grid"
    )
