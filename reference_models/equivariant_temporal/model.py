"""``EquivariantTemporal``: atoms drawn frame after frame, exactly equivariant, on beads that stay where they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import SubmissionError, UnsupportedTaskError
from backmapbench.reference_models.ar_internal.model import ArInternal
from backmapbench.reference_models.ar_internal.settings import Settings as DenseSettings
from backmapbench.reference_models.ar_internal.settings import read_settings as read_dense
from backmapbench.reference_models.equivariant_temporal.backbone import is_ca_chain
from backmapbench.reference_models.equivariant_temporal.settings import Settings, read_settings
from backmapbench.reference_models.temporal_cvae.seeds import check_steps, largest_step
from backmapbench.submissions.protocol import ModelInfo, System, TrainingSet

if TYPE_CHECKING:
    from backmapbench.reference_models.equivariant_temporal.decoder import Decoder

TRAJECTORIES_AT_ONCE = 64  # bounds memory; results do not depend on it


@dataclass(frozen=True)
class _Fitted:
    """What was learned and of what: ``decoder`` of C-alpha beads, or ``dense`` where beads leave little out."""

    atoms: tuple[str, ...]
    beads: tuple[int, ...]
    frame_ps: float | None
    largest_step_nm: float
    decoder: Decoder | None
    dense: ArInternal | None


class EquivariantTemporal:
    """p(atoms now | beads now, beads and atoms before), sampled frame after frame.

    Only distances, angles and torsions are drawn, and atoms are placed in the beads' own frames: what comes out turns
    with what goes in, to rounding, and beads are where they were given. Where beads are the C-alphas of a chain, the
    peptide planes between them are drawn first, as a chain of angles, then the torsions of each residue with a memory
    of the frame before and its stiff coordinates; of several draws the one whose contacts fit is kept, and about 0.1 ps
    of Langevin dynamics about the held beads settles the whole. Densities, memories and springs are corrected until
    rollouts on training beads show the angles, jumps, stretches and bends of training. Where beads are three or more
    other single atoms the model is ``ArInternal`` with another ``smallest_deviation``: its networks draw torsions and
    stiff coordinates, and are trained on single steps from true frames before (teacher forcing); rollouts correct the
    decoder of C-alpha beads alone.
    """

    info = ModelInfo(
        name="equivariant-temporal",
        description="Internal coordinates in the beads' own frames, drawn frame after frame; beads kept exactly.",
        licence="MIT",
    )

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = read_settings() if settings is None else settings
        self._fitted: _Fitted | None = None

    def fit(self, system: System, training: TrainingSet, seed: int) -> None:
        """Learn from ``training.train``. On C-alpha beads the result does not depend on ``seed``.

        Raises UnsupportedTaskError for beads that are not single atoms, C-alphas of no single chain, and C-alphas of a
        molecule without hydrogens or that the settings' force field does not fit.
        """
        data = training.train
        decoder, dense = None, None
        if is_ca_chain(system):
            from backmapbench.reference_models.equivariant_temporal.calibration import calibrated
            from backmapbench.reference_models.equivariant_temporal.decoder import Decoder

            _check_hydrogens(self.info.name, system)
            decoder = Decoder.fit(system, data, self.settings)
            decoder = calibrated(decoder, data, self.settings)
        else:
            dense = ArInternal(_dense(self.settings), self.info.name)
            dense.fit(system, training, seed)
        beads = data.replace_positions(system.mapping.positions(data.positions))
        step = largest_step(beads) if data.frame_ps is not None else float("inf")
        self._fitted = _Fitted(*_names(system), data.frame_ps, step, decoder, dense)

    def backmap(self, system: System, beads: Trajectories, samples: int, seed: int) -> NDArray[np.float32]:
        """Independent samples of every trajectory: float32 (samples, frames, atoms, 3), nm.

        A trajectory's first frame, and every independent frame, is drawn without a frame before it.

        Raises SubmissionError before ``fit`` or for another system or time between frames, UnsupportedTaskError for a
        trajectory of one frame or with a jump.
        """
        fitted = self._check(system, beads)
        if fitted.decoder is None:
            if fitted.dense is None:
                raise SubmissionError(f"{self.info.name}: not fitted; call fit with the training split first")
            return fitted.dense.backmap(system, beads, samples, seed)
        from backmapbench.reference_models.equivariant_temporal.rollout import Rollout

        rollout = Rollout(fitted.decoder, self.settings)
        in_time = beads.frame_ps is not None and fitted.frame_ps is not None
        atoms = np.empty((samples, len(beads), system.topology.n_atoms, 3), dtype=np.float32)
        for rows in _batches(beads.lengths if in_time else (1,) * len(beads), samples):
            generators = [np.random.default_rng([seed, row.sample, row.number]) for row in rows]
            points = np.stack([_padded(beads.positions[row.part], rows[0].length) for row in rows])
            drawn = rollout.draw(points, generators, in_time=in_time)
            for row, trajectory in zip(rows, drawn, strict=True):
                atoms[row.sample, row.part] = trajectory[: row.length]
        return atoms

    def _check(self, system: System, beads: Trajectories) -> _Fitted:
        name, fitted = self.info.name, self._fitted
        if fitted is None:
            raise SubmissionError(f"{name}: not fitted; call fit with the training split first")
        if beads.positions.shape[1] != len(fitted.beads):
            raise SubmissionError(
                f"{name}: given {beads.positions.shape[1]} beads, fitted with {len(fitted.beads)}; give all of them"
            )
        if _names(system) != (fitted.atoms, fitted.beads):
            raise SubmissionError(
                f"{name}: given {system.topology.n_atoms} atoms that are not the {len(fitted.atoms)} it was fitted on; "
                "use the system it was fitted on"
            )
        if not np.isfinite(beads.positions).all():
            frame = int(np.argmin(np.isfinite(beads.positions).all(axis=(1, 2))))
            raise SubmissionError(f"{name}: a bead of frame {frame} is missing (not a number); give all beads")
        if beads.frame_ps is None or fitted.frame_ps is None:
            return fitted
        if min(beads.lengths) < 2:
            raise UnsupportedTaskError(f"{name}: given a trajectory of one frame; give it as independent frames")
        if beads.frame_ps != fitted.frame_ps:
            raise SubmissionError(
                f"{name}: beads are {beads.frame_ps} ps apart, the training frames {fitted.frame_ps} ps; "
                "train on frames of the same spacing"
            )
        check_steps(name, beads, fitted.largest_step_nm)
        return fitted


@dataclass(frozen=True)
class _Row:
    """A trajectory: of which sample, its number, and where its frames lie."""

    sample: int
    number: int
    part: slice
    length: int


def _batches(lengths: tuple[int, ...], samples: int) -> list[list[_Row]]:
    """Trajectories of all samples to draw together, longest first."""
    ends = np.cumsum(lengths)
    rows = [
        _Row(sample, number, slice(int(end) - length, int(end)), length)
        for sample in range(samples)
        for number, (length, end) in enumerate(zip(lengths, ends, strict=True))
    ]
    rows.sort(key=lambda row: -row.length)
    return [rows[start : start + TRAJECTORIES_AT_ONCE] for start in range(0, len(rows), TRAJECTORIES_AT_ONCE)]


def _check_hydrogens(name: str, system: System) -> None:
    if not any(atom.element is not None and atom.element.symbol == "H" for atom in system.topology.atoms):
        raise UnsupportedTaskError(
            f"{name}: its contacts are those of a force field with all atoms, and the task has no hydrogens; use a "
            "model of heavy atoms, such as internal-coordinates"
        )


def _dense(settings: Settings) -> DenseSettings:
    """Settings of ``ArInternal`` with this model's limit of what is constant."""
    found = read_dense()
    encoding = found.encoding.model_copy(update={"smallest_deviation": settings.smallest_deviation})
    return found.model_copy(update={"encoding": encoding})


def _padded(points: NDArray[np.float32], length: int) -> NDArray[np.float64]:
    """Frames (frames, beads, 3) with the last repeated up to ``length``; what is drawn there is thrown away."""
    last = np.repeat(points[-1:], length - len(points), axis=0)
    return np.concatenate([points, last]).astype(np.float64)


def _names(system: System) -> tuple[tuple[str, ...], tuple[int, ...]]:
    atoms = tuple(str(atom) for atom in system.topology.atoms)
    return atoms, tuple(int(atom) for atom in system.mapping.slice_atoms)
