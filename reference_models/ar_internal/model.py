"""``ArInternal``: internal coordinates drawn autoregressively in time, given the beads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import SubmissionError
from backmapbench.reference_models.ar_internal.encoding import Encoding
from backmapbench.reference_models.ar_internal.features import BeadFeatures
from backmapbench.reference_models.ar_internal.internal import measure, place
from backmapbench.reference_models.ar_internal.settings import Settings, read_settings
from backmapbench.reference_models.ar_internal.tree import PlacementTree, placement_tree
from backmapbench.submissions.protocol import ModelInfo, System, TrainingSet

if TYPE_CHECKING:
    from backmapbench.reference_models.ar_internal.network import Transition


@dataclass(frozen=True)
class _Fitted:
    tree: PlacementTree
    features: BeadFeatures
    encoding: Encoding
    network: Transition
    frame_ps: float | None


class ArInternal:
    """A small learned temporal model of the atoms that beads leave out.

    Atoms are placed from the beads' atoms along a tree of bond lengths, angles and torsions, so beads stay where they
    are. Frame t is drawn from a density given the beads at t and t - 1 and the coordinates drawn at t - 1: mixtures for
    freely rotating torsions and one Gaussian with a full covariance for all others. Only rotation-invariant numbers go
    in and only internal coordinates come out, so rotated beads give rotated atoms. It works for beads that are single
    atoms, three or more, from which bonds lead to every other atom.
    """

    info = ModelInfo(
        name="ar-internal",
        description="Internal coordinates drawn frame after frame from beads and the frame before; a learned sampler.",
        licence="MIT",
    )

    def __init__(self, settings: Settings | None = None, name: str | None = None) -> None:
        """``name``: of the model that errors speak of, where these networks are part of another one."""
        self.settings = read_settings() if settings is None else settings
        self._name = name or self.info.name
        self._fitted: _Fitted | None = None

    def fit(self, system: System, training: TrainingSet, seed: int) -> None:
        """Train on ``training.train``; ``training.validation`` is only reported on in the log.

        Raises SubmissionError for a mapping or topology that fixes no placement tree, or frames in which nothing moves.
        """
        from backmapbench.reference_models.ar_internal.training import Steps, train

        tree = placement_tree(self._name, system, training.train.positions)
        encoding = Encoding(measure(tree, training.train.positions), self.settings.encoding)
        if not encoding.gaussian.any():
            raise SubmissionError(
                f"{self._name}: no atom moves against the beads in the training frames; give it others"
            )
        beads = training.train.positions[:, tree.roots]
        features = BeadFeatures(beads, self.settings.encoding.maximum_distances)

        def steps(atoms: Trajectories) -> Steps:
            seen = features(atoms.positions[:, tree.roots])
            coordinates = encoding.encode(measure(tree, atoms.positions))
            return Steps.of(seen, coordinates, atoms.lengths, in_time=atoms.frame_ps is not None)

        network = train(steps(training.train), steps(training.validation), self.settings, seed)
        self._fitted = _Fitted(tree, features, encoding, network, training.train.frame_ps)

    def backmap(self, system: System, beads: Trajectories, samples: int, seed: int) -> NDArray[np.float32]:
        """Independent samples of every trajectory: float32 (samples, frames, atoms, 3), nm.

        A trajectory's first frame, and every independent frame, is drawn without a frame before it.

        Raises SubmissionError before ``fit``, for another number of beads, or for another time between frames than
        that of the training frames.
        """
        fitted = self._check(system, beads)
        in_time = beads.frame_ps is not None and fitted.frame_ps is not None
        numbers, angles = _draw(fitted, beads, samples, seed, in_time=in_time)
        atoms = np.empty((samples, len(beads), fitted.tree.size, 3), dtype=np.float32)
        for sample in range(samples):
            internal = fitted.encoding.decode(numbers[sample], angles[sample])
            atoms[sample] = place(fitted.tree, beads.positions, internal)
        return atoms

    def _check(self, system: System, beads: Trajectories) -> _Fitted:
        fitted = self._fitted
        if fitted is None:
            raise SubmissionError(f"{self._name}: not fitted; call fit with the training split first")
        given, expected = (
            (system.topology.n_atoms, beads.positions.shape[1]),
            (fitted.tree.size, len(fitted.tree.roots)),
        )
        if given != expected:
            raise SubmissionError(
                f"{self._name}: given {given[0]} atoms in {given[1]} beads, fitted with {expected[0]} in "
                f"{expected[1]}; use the system it was fitted on"
            )
        if None not in (beads.frame_ps, fitted.frame_ps) and beads.frame_ps != fitted.frame_ps:
            raise SubmissionError(
                f"{self._name}: beads are {beads.frame_ps} ps apart, the training frames {fitted.frame_ps} ps; "
                "train on frames of the same spacing"
            )
        return fitted


def _draw(
    fitted: _Fitted, beads: Trajectories, samples: int, seed: int, *, in_time: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Numbers and free torsions, (samples, frames, ...) each.

    Every trajectory of every sample has a generator of its own. Independent frames share their sample's, which gives
    a frame the numbers that belong to its place in the order.
    """
    from backmapbench.reference_models.ar_internal.sampling import draw

    features = fitted.features(beads.positions)
    lengths = beads.lengths if in_time else (len(beads),)
    # All trajectories advance together; the shorter ones are padded at their end with frames that are thrown away.
    place_in_time = np.concatenate([np.arange(length) for length in lengths])
    row = np.repeat(np.arange(len(lengths)), lengths)
    padded = np.zeros((len(lengths), max(lengths), features.shape[1]), dtype=np.float32)
    padded[row, place_in_time] = features
    sequences = np.concatenate([padded] * samples)
    generators = [np.random.default_rng([seed, sample, i]) for sample in range(samples) for i in range(len(lengths))]
    numbers, angles = (
        array.reshape(samples, len(lengths), max(lengths), -1)[:, row, place_in_time]
        for array in draw(fitted.network, sequences, generators, in_time=in_time)
    )
    return numbers, angles
