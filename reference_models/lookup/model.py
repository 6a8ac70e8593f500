"""``Lookup``: the training frame with the nearest beads, superposed on the target beads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import SubmissionError
from backmapbench.reference_models.lookup.candidates import CandidateSearch
from backmapbench.reference_models.lookup.superposition import centred, superposed_rmsd
from backmapbench.submissions.protocol import ModelInfo, System, TrainingSet
from backmapbench.superposition import rotations

# Nearest by bead distances, then compared exactly: for ADP 64 hold the true nearest of 97 % of frames, 256 of all.
CANDIDATES = 256
CHUNK_COORDINATES = 4_000_000  # candidate coordinates held at once: 32 MB


@dataclass(frozen=True)
class _Library:
    """Training frames centred on their bead centroid, and the search over them."""

    atoms: NDArray[np.float64]
    beads: NDArray[np.float64]
    search: CandidateSearch


class Lookup:
    """Nearest training frame by superposed bead RMSD; a deterministic map, so all samples are the same."""

    info = ModelInfo(
        name="lookup",
        description="The training frame with the nearest beads, superposed on the target beads; a deterministic map.",
        deterministic=True,
        licence="MIT",
    )

    def __init__(self) -> None:
        self._library: _Library | None = None

    def fit(self, system: System, training: TrainingSet, seed: int) -> None:
        """Index the training split's beads; ``seed`` and the validation split change nothing."""
        atoms = np.asarray(training.train.positions, dtype=np.float64)
        beads = np.asarray(system.mapping.positions(atoms), dtype=np.float64)
        origin = beads.mean(axis=1, keepdims=True)
        self._library = _Library(atoms - origin, beads - origin, CandidateSearch(beads))

    def backmap(
        self,
        system: System,
        beads: Trajectories,
        samples: int,
        seed: int,
    ) -> NDArray[np.float32]:
        """Superposed training frames: float32 (samples, frames, atoms, 3), nm. ``seed`` changes nothing.

        Raises SubmissionError before ``fit``, or for another number of atoms or beads than that of the training frames.
        """
        library = self._fitted()
        targets = np.asarray(beads.positions, dtype=np.float64)
        given = (system.topology.n_atoms, targets.shape[1])
        expected = (library.atoms.shape[1], library.beads.shape[1])
        if given != expected:
            raise SubmissionError(
                f"lookup: given {given[0]} atoms in {given[1]} beads, fitted with {expected[0]} in {expected[1]}; "
                "use the system it was fitted on"
            )
        nearest, _ = self.nearest(targets)
        turned = library.atoms[nearest] @ rotations(library.beads[nearest], targets)
        placed = turned + targets.mean(axis=1, keepdims=True)
        return np.repeat(placed[None].astype(np.float32), samples, axis=0)

    def nearest(self, targets: NDArray[np.floating]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Index of the nearest training frame and its bead RMSD in nm, both (frames,), for beads (frames, n, 3).

        Raises SubmissionError before ``fit``.
        """
        library = self._fitted()
        indices = np.empty(len(targets), dtype=np.intp)
        rmsd = np.empty(len(targets))
        rows = max(1, CHUNK_COORDINATES // (CANDIDATES * 3 * library.beads.shape[1]))
        for start in range(0, len(targets), rows):
            chunk = slice(start, start + rows)
            wanted = centred(targets[chunk])
            found = library.search.nearest(wanted, CANDIDATES)
            errors = superposed_rmsd(wanted, library.beads[found])
            best = errors.argmin(axis=1)[:, None]
            indices[chunk] = np.take_along_axis(found, best, axis=1)[:, 0]
            rmsd[chunk] = np.take_along_axis(errors, best, axis=1)[:, 0]
        return indices, rmsd

    def _fitted(self) -> _Library:
        if self._library is None:
            raise SubmissionError("lookup: not fitted; call fit with the training split first")
        return self._library
