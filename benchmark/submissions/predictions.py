"""Prediction folders: coordinates made elsewhere, by any program, scored like those of a model run here.

``prediction.toml``::

    name = "my-model"
    task = "adp-mini-temporal"
    description = "one sentence"
    looks_ahead = false

and ``sample-0/traj-000.npz`` (array ``positions``, nm) or ``.xtc``, ``.dcd``, ``.trr``, ``.h5`` for every trajectory of
the scored split, ``sample-1/`` and so on for further samples.
"""

from __future__ import annotations

import tomllib
import zipfile
from pathlib import Path

import mdtraj
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from backmapbench.datasets.catalogue import explain
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import SubmissionError
from backmapbench.files import atomic_write
from backmapbench.submissions.protocol import ModelInfo, System

FORMATS = (".npz", ".xtc", ".dcd", ".trr", ".h5")


class _Header(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    task: str
    description: str
    looks_ahead: bool = False
    citation: str = ""
    licence: str = ""


class PredictionFolder:
    """A Backmapper that reads finished coordinates.

    Raises SubmissionError for a missing or malformed ``prediction.toml``.
    """

    def __init__(self, folder: Path) -> None:
        header = folder / "prediction.toml"
        try:
            content = _Header.model_validate(tomllib.loads(header.read_text(encoding="utf-8")))
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise SubmissionError(f"{header}: {error}; it must give name, task and description") from error
        except ValidationError as error:
            raise SubmissionError(f"{header}: {explain(error)}") from error
        self.folder = folder
        self.task = content.task
        self.info = ModelInfo(
            name=content.name,
            description=content.description,
            looks_ahead=content.looks_ahead,
            deterministic=True,
            citation=content.citation,
            licence=content.licence,
        )

    def backmap(self, system: System, beads: Trajectories, samples: int, seed: int) -> NDArray[np.float32]:
        """Read ``samples`` samples (the seed chooses nothing: the coordinates are what they are).

        Raises SubmissionError for a missing file, a damaged one, or one with other frames or atoms.
        """
        out = np.empty((samples, len(beads), system.topology.n_atoms, 3), dtype=np.float32)
        for sample in range(samples):
            for number, part in enumerate(beads.slices):
                path = self._find(sample, number)
                positions = _read(path, system.topology)
                expected = out[sample, part].shape
                if positions.shape != expected:
                    raise SubmissionError(f"{path}: holds positions of shape {positions.shape}, expected {expected}")
                out[sample, part] = positions
        return out

    def _find(self, sample: int, number: int) -> Path:
        stem = self.folder / f"sample-{sample}" / f"traj-{number:03d}"
        for suffix in FORMATS:
            if stem.with_suffix(suffix).is_file():
                return stem.with_suffix(suffix)
        raise SubmissionError(f"{stem}.*: missing; write one of {', '.join(FORMATS)} for every trajectory and sample")


def _read(path: Path, topology: mdtraj.Topology) -> NDArray[np.float32]:
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as saved:
                return np.asarray(saved["positions"], dtype=np.float32)
        return np.asarray(mdtraj.load(str(path), top=topology).xyz, dtype=np.float32)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile) as error:
        raise SubmissionError(f"{path}: cannot be read ({error}); an .npz holds `positions` in nm") from error


def write_input(folder: Path, system: System, beads: Trajectories, task: str) -> list[Path]:
    """Write what a backmapper sees, for programs outside Python: topology, mapping, beads by trajectory.

    Returns the files: ``topology.pdb`` (names and bonds; its coordinates are 0), ``mapping.json``, a
    ``prediction.toml`` to fill in, and ``beads/traj-000.npz`` and so on with ``positions``
    (frames, beads, 3) in nm and ``frame_ps``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / "topology.pdb", folder / "mapping.json", folder / "prediction.toml"]
    blank = mdtraj.Trajectory(np.zeros((1, system.topology.n_atoms, 3), dtype=np.float32), system.topology)
    blank.save_pdb(str(written[0]))
    with atomic_write(written[1], "w") as handle:
        handle.write(system.mapping.to_json())
    with atomic_write(written[2], "w") as handle:
        handle.write(f'name = "my-model"\ntask = "{task}"\ndescription = "one sentence"\nlooks_ahead = false\n')
    for number, part in enumerate(beads.slices):
        path = folder / "beads" / f"traj-{number:03d}.npz"
        with atomic_write(path) as handle:
            np.savez(handle, positions=beads.positions[part], frame_ps=np.float64(beads.frame_ps or np.nan))
        written.append(path)
    return written
