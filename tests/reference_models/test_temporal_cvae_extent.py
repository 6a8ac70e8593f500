"""What the voxel cVAE's grid holds, and what is refused."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from backmapbench.errors import SubmissionError, UnsupportedTaskError
from backmapbench.reference_models.temporal_cvae.extent import check_beads, check_training, farthest
from backmapbench.reference_models.temporal_cvae.fitting import PACKAGE
from backmapbench.reference_models.temporal_cvae.grid import Grid
from backmapbench.reference_models.temporal_cvae.settings import Preset
from backmapbench.reference_models.training import read_preset
from backmapbench.submissions.protocol import TrainingSet

CORNER = np.ones(3) / np.sqrt(3)


@pytest.mark.parametrize(("name", "share"), [("adp-small", 1.0), ("adp-paper", 22 / 21)])
@pytest.mark.parametrize("split", ["train", "validation"])
def test_atoms_of_training_beyond_the_outermost_point_are_refused(name, share, split, system, training):
    """One hydrogen of one frame, along the cube's diagonal, whose corner is farther out: frames will be turned.

    An atom at d from the others' centroid is at 21 d / 22 from that of all 22 atoms.
    """
    preset = read_preset(PACKAGE, name, Preset)
    edge = Grid(preset.grid).edge_nm

    def moved(distance):
        parts = {"train": training.train, "validation": training.validation}
        atoms = parts[split].positions.copy()
        others = system.mapping.slice_atoms if name == "adp-small" else np.arange(21)
        atoms[5, 21] = atoms[5, others].mean(axis=0) + distance * share * CORNER
        parts[split] = parts[split].replace_positions(atoms)
        return TrainingSet(**parts)

    check_training(preset, system, moved(edge - 1e-4))
    with pytest.raises(UnsupportedTaskError, match=f"lies {edge + 2e-3:.3f} nm from the origin, beyond"):
        check_training(preset, system, moved(edge + 2e-3))
    found = farthest(getattr(moved(edge - 1e-4), split), preset, system)
    assert found == pytest.approx(edge - 1e-4, abs=1e-6)


def pair(distance):
    """Two beads (1, 2, 3) at ``distance`` from their centroid along the first axis."""
    return np.array([[[5 + distance, 1, 2], [5 - distance, 1, 2]]])


@pytest.mark.parametrize("number", range(5))
def test_turned_frames_are_measured_by_distance(number):
    turn = Rotation.random(random_state=number).as_matrix()
    check_beads("m", pair(0.999) @ turn, 1.0, turned=True)
    with pytest.raises(
        UnsupportedTaskError, match=r"^m: a bead of frame 0 lies 1\.01 nm from the beads' centroid, off"
    ):
        check_beads("m", pair(1.01) @ turn, 1.0, turned=True)


def test_frames_that_keep_their_orientation_are_measured_along_the_axes():
    to_corner = Rotation.align_vectors([CORNER], [[1, 0, 0]])[0].as_matrix().T
    check_beads("m", pair(1.73) @ to_corner, 1.0, turned=False)
    with pytest.raises(UnsupportedTaskError, match=r"lies 1\.05 nm from the beads' centroid along an axis"):
        check_beads("m", pair(1.05 * np.sqrt(3)) @ to_corner, 1.0, turned=False)
    with pytest.raises(UnsupportedTaskError, match=r"frame 1 lies 1\.01 nm .* along an axis, off the grid"):
        check_beads("m", np.concatenate([pair(0.99), pair(1.01)]), 1.0, turned=False)


@pytest.mark.parametrize("turned", [True, False])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_beads_that_are_not_finite_have_their_own_sentence(turned, value):
    beads = np.concatenate([pair(0.5), pair(3.0), pair(0.5)])
    beads[2, 1, 0] = value
    with pytest.raises(SubmissionError, match=r"^m: a bead of frame 2 is missing \(not a finite number\); give all"):
        check_beads("m", beads, 1.0, turned=turned)
