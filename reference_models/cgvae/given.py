"""What this package's commands share: a folder that ``backmapbench beads`` wrote, and the atoms behind its beads."""

from __future__ import annotations

from pathlib import Path

import mdtraj
import numpy as np
from numpy.typing import NDArray

from backmapbench.coarse_graining import CoarseMapping
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import SubmissionError

TOLERANCE_NM = 1e-3  # beads are float32, and embedded atoms are stored on a grid of 0.0005 nm


def mapping_of(folder: Path) -> CoarseMapping:
    """The folder's mapping. Raises SubmissionError where there is none."""
    path = folder / "mapping.json"
    if not path.is_file():
        raise SubmissionError(f"{path}: missing; give a folder that `backmapbench beads` wrote")
    return CoarseMapping.from_json(path.read_text(encoding="utf-8"))


def topology_of(folder: Path) -> mdtraj.Topology:
    """The folder's topology. Raises SubmissionError where there is none."""
    path = folder / "topology.pdb"
    if not path.is_file():
        raise SubmissionError(f"{path}: missing; give a folder that `backmapbench beads` wrote")
    return mdtraj.load_topology(str(path))


def beads_of(folder: Path) -> Trajectories:
    """The folder's beads. Raises SubmissionError where there are none."""
    paths = sorted((folder / "beads").glob("traj-*.npz"))
    if not paths:
        raise SubmissionError(f"{folder / 'beads'}: has no traj-000.npz; give a folder that `backmapbench beads` wrote")
    parts = [_positions(path) for path in paths]
    return Trajectories(np.concatenate(parts).astype(np.float32), tuple(map(len, parts)), None)


def centred(folder: Path, atoms: Trajectories) -> Trajectories:
    """``atoms`` in the frame of reference of the folder's beads; raises SubmissionError where these are others."""
    beads = mapping_of(folder).positions(atoms.positions.astype(np.float64))
    moved = np.empty_like(atoms.positions)
    for number, part in enumerate(atoms.slices):
        path = folder / "beads" / f"traj-{number:03d}.npz"
        given = _positions(path)
        if given.shape != beads[part].shape:
            raise SubmissionError(f"{path}: {given.shape} beads, the split has {beads[part].shape}; name its own split")
        shift = (given - beads[part]).mean(axis=1, keepdims=True)
        if np.abs(beads[part] + shift - given).max() > TOLERANCE_NM:
            raise SubmissionError(f"{path}: beads of other frames than the split's; name the split that is scored")
        moved[part] = atoms.positions[part] + shift
    return atoms.replace_positions(moved)


def _positions(path: Path) -> NDArray[np.float64]:
    try:
        with np.load(path, allow_pickle=False) as saved:
            return np.asarray(saved["positions"], dtype=np.float64)
    except (OSError, KeyError, ValueError) as error:
        raise SubmissionError(f"{path}: cannot be read ({error}); write the folder anew") from error
