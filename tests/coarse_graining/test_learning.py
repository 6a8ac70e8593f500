"""One call for every method; the comparison of methods."""

from dataclasses import replace

import numpy as np
import pytest

from backmapbench.coarse_graining import ANNEALED, LEGACY, Schedule, comparison, learn
from backmapbench.coarse_graining.comparison import compare
from backmapbench.coarse_graining.objective import objective
from backmapbench.errors import DataError, UnknownNameError

QUICK = replace(ANNEALED, schedule=Schedule(updates=40), restarts=2)


@pytest.mark.parametrize("particles", ["ca", "heavy", "atoms"])
@pytest.mark.parametrize("method", ["autograin", "contiguous", "kmeans"])
def test_the_mapping_is_the_mean_of_the_particles_of_each_bead(topology, chain_frames, particles, method):
    found = learn(topology, chain_frames, 3, particles=particles, method=method, seed=4, settings=QUICK)
    text = {"ca": "name CA", "heavy": "element != H", "atoms": "all"}[particles]
    chosen = topology.select(text)
    assert len(found.labels) == len(found.assignment) == len(chosen)
    assert (found.method, found.seed, found.frames, len(found.names)) == (method, 4, 30, 3)
    expected = np.stack(
        [chain_frames[:, chosen[found.assignment == bead]].astype(float).mean(axis=1) for bead in range(3)], axis=1
    )
    np.testing.assert_allclose(found.mapping.positions(chain_frames), expected, atol=1e-6)
    again = objective(chain_frames[:, chosen], found.assignment)
    assert found.objective == again


def test_settings_are_plain_and_say_what_counted(topology, chain_frames):
    annealed = learn(topology, chain_frames, 2, settings=QUICK).settings
    assert annealed["schedule"]["updates"] == 40
    assert "epochs" not in annealed["schedule"]
    short = replace(LEGACY, schedule=replace(LEGACY.schedule, epochs=20))
    legacy = learn(topology, chain_frames, 2, settings=short).settings
    assert legacy["schedule"]["epochs"] == 20
    assert "updates" not in legacy["schedule"]
    assert learn(topology, chain_frames, 2, method="contiguous").settings == {}


def test_what_cannot_be_learned_from_is_refused(topology, chain_frames):
    with pytest.raises(DataError, match="the topology 40 atoms; give"):
        learn(topology, chain_frames[:, :-1], 2)
    with pytest.raises(UnknownNameError, match="did you mean kmeans"):
        learn(topology, chain_frames, 2, method="kmean")
    with pytest.raises(DataError, match="7 beads asked for of 6"):
        learn(topology, chain_frames, 7, method="kmeans")


def test_ways_are_compared_on_equal_terms(topology, chain_frames, monkeypatch):
    short = replace(LEGACY, schedule=replace(LEGACY.schedule, epochs=20))
    ways = {"autograin": ("autograin", QUICK), "autograin-legacy": ("autograin", short)}
    monkeypatch.setattr(comparison, "WAYS", comparison.WAYS | ways | {"autograin-undescended": ways["autograin"]})
    found = list(compare(topology, chain_frames, 2, range(2)))
    seeds = {way: [row.learned.seed for row in found if row.way == way] for way in comparison.WAYS}
    assert seeds == {way: [0, 1] for way in comparison.WAYS} | {"contiguous": [0]}
    chosen = topology.select("name CA")
    for row in found:
        assert row.learned.objective == objective(chain_frames[:, chosen], row.learned.assignment)
        assert row.wall_seconds > 0
