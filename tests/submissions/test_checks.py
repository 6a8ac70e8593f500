"""Output that cannot be scored is refused with its likely cause."""

import mdtraj
import numpy as np
import pytest

from backmapbench.errors import SubmissionError
from backmapbench.submissions.checks import check_prediction, radius_of_gyration


@pytest.fixture(scope="module")
def good(task):
    return task.atoms("test").positions[None, :50]


def check(task, prediction, frames=50, samples=1):
    return check_prediction("m", prediction, task.system, frames, samples, task.atoms("train").positions[:50])


def test_real_coordinates_pass_unchanged(task, good):
    np.testing.assert_array_equal(check(task, good), good)


def test_radius_of_gyration_is_that_of_mdtraj(task, good):
    expected = mdtraj.compute_rg(mdtraj.Trajectory(good[0], task.dataset.topology))
    np.testing.assert_allclose(radius_of_gyration(good[0]), expected, rtol=1e-6)


def test_collapsed_and_stretched_molecules_pass(task, good):
    """Bad is not wrong: only a slip of units is refused."""
    check(task, np.zeros_like(good))
    check(task, good * 2)
    check(task, good * np.float32(10) + np.random.default_rng(0).normal(size=good.shape).astype(np.float32) * 100)


@pytest.mark.parametrize(("factor", "word"), [(10, "Angstrom"), (0.1, "nm divided by ten")])
def test_slips_of_units_are_named(task, good, factor, word):
    with pytest.raises(SubmissionError, match=word):
        check(task, (good * factor).astype(np.float32))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x[:, :, :-1], "returned 21 atoms, the topology has 22"),
        (lambda x: x[0], "shape"),
        (lambda x: x[:, :-1], "shape"),
        (lambda x: np.concatenate([x, x]), "shape"),
        (lambda x: x.astype(int), "floating-point"),
        (lambda x: x.tolist(), "floating-point"),
        (lambda x: np.where(np.arange(50)[None, :, None, None] == 7, np.nan, x), "sample 0, frame 7"),
        (lambda x: np.where(np.arange(50)[None, :, None, None] == 3, np.inf, x), "sample 0, frame 3"),
    ],
)
def test_wrong_output_is_refused(task, good, change, message):
    with pytest.raises(SubmissionError, match=message):
        check(task, change(good))
