"""Prediction folders: coordinates made by any program."""

import json

import mdtraj
import numpy as np
import pytest

from backmapbench.coarse_graining import CoarseMapping
from backmapbench.errors import SubmissionError
from backmapbench.submissions.predictions import PredictionFolder, write_input


@pytest.fixture
def folder(task, tmp_path):
    """The reference written as a prediction: first trajectory as npz, the others as h5."""
    reference = task.atoms("test")
    (tmp_path / "sample-0").mkdir()
    (tmp_path / "prediction.toml").write_text('name = "mine"\ntask = "adp-mini-temporal"\ndescription = "x"\n')
    for number, positions in enumerate(reference):
        stem = tmp_path / "sample-0" / f"traj-{number:03d}"
        if number == 0:
            np.savez(stem.with_suffix(".npz"), positions=positions)
        else:
            mdtraj.Trajectory(positions, task.dataset.topology).save_dcd(str(stem.with_suffix(".dcd")))
    return tmp_path


def test_coordinates_are_read_back(task, folder):
    prediction = PredictionFolder(folder).backmap(task.system, task.beads("test"), 1, 0)
    np.testing.assert_allclose(prediction[0], task.atoms("test").positions, atol=1e-6)


def test_missing_short_and_damaged_files_are_named(task, folder):
    beads = task.beads("test")
    with pytest.raises(SubmissionError, match=r"sample-1/traj-000\.\*: missing"):
        PredictionFolder(folder).backmap(task.system, beads, 2, 0)
    first = folder / "sample-0" / "traj-000.npz"
    np.savez(first, positions=np.zeros((5, 22, 3)))
    with pytest.raises(SubmissionError, match=r"traj-000\.npz: holds positions of shape"):
        PredictionFolder(folder).backmap(task.system, beads, 1, 0)
    first.write_bytes(b"nonsense")
    with pytest.raises(SubmissionError, match=r"traj-000\.npz: cannot be read"):
        PredictionFolder(folder).backmap(task.system, beads, 1, 0)


@pytest.mark.parametrize("text", ['name = "x"', 'name = "x"\ntask = "y"\ndescription = "z"\ncolour = 1', "name ="])
def test_wrong_headers_are_refused(tmp_path, text):
    (tmp_path / "prediction.toml").write_text(text)
    with pytest.raises(SubmissionError, match=r"prediction\.toml"):
        PredictionFolder(tmp_path)


def test_written_input_holds_beads_and_no_atoms(task, tmp_path):
    beads = task.beads("test")
    written = write_input(tmp_path / "in", task.system, beads, task.card.name)
    assert sum(path.suffix == ".npz" for path in written) == len(beads.lengths)
    with np.load(tmp_path / "in" / "beads" / "traj-001.npz") as saved:
        np.testing.assert_array_equal(saved["positions"], list(beads)[1])
        assert saved["frame_ps"] == beads.frame_ps
    assert not mdtraj.load(str(tmp_path / "in" / "topology.pdb")).xyz.any()
    mapping = CoarseMapping.from_json((tmp_path / "in" / "mapping.json").read_text())
    assert json.loads(mapping.to_json()) == json.loads(task.mapping.to_json())
