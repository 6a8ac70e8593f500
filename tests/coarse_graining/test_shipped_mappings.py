"""Mapping files in the package fit their datasets: hashes, atoms, and the objective recomputed on their frames."""

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from backmapbench.coarse_graining import read_mapping
from backmapbench.coarse_graining.recomputing import recomputed_objective
from backmapbench.coarse_graining.sources import frames_of_dataset

FILES = sorted(Path(str(files("backmapbench") / "tasks" / "beads")).glob("*.toml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_mapping_is_what_it_says(path):
    content = read_mapping(path)
    frames = frames_of_dataset(content.source.dataset, content.source.split)
    assert frames.source == content.source
    found = recomputed_objective(path, content, frames)
    assert found.total_nm2 == pytest.approx(content.objective.total_nm2, rel=1e-6)
    mapping = content.mapping(frames.topology)
    assert mapping.beads == len(content.bead_names) == int(path.stem.rsplit("-", 1)[1])
    np.testing.assert_allclose(np.asarray(mapping.weights.sum(axis=1)).ravel(), 1.0, atol=1e-12)
    assert (np.diff(mapping.weights.tocsc().indptr) <= 1).all()  # no atom in two beads
