from __future__ import annotations

import dataclasses
from collections.abc import Callable

import mdtraj
import numpy as np
import pytest
from numpy.typing import NDArray

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import CardError
from backmapbench.metrics import Frames, MetricContext
from backmapbench.metrics.features import shape_features
from backmapbench.metrics.free_energy_surface import FreeEnergySurface

Peptide = tuple[mdtraj.Topology, NDArray[np.float32]]


@pytest.fixture(scope="module")
def still(peptide: Peptide, make_context: Callable[..., MetricContext]) -> MetricContext:
    """400 independent conformations of the peptide: stretched and shrunk along its axes."""
    topology, rest = peptide
    rng = np.random.default_rng(0)
    xyz = rest * rng.normal(1.0, 0.1, (400, 1, 3)) + rng.normal(scale=0.01, size=(400, *rest.shape))
    reference = Trajectories(xyz.astype(np.float32), (100,) * 4, None)
    whole = make_context(reference=reference, bins=10, maximum_kt=6.0, minimum_frames=2)
    return dataclasses.replace(whole, topology=topology, kinetics={})


def test_shape_is_that_of_mdtraj(still: MetricContext, peptide: Peptide) -> None:
    topology, _ = peptide
    xyz = still.reference.positions
    labels = [f"{topology.atom(0).residue}:CA", f"{topology.atom(0).residue}:N"]
    found = shape_features(topology, ["radius_of_gyration", "end_to_end", labels]).series(Frames(xyz[None]))
    heavy = topology.select("element != H")
    carbons = topology.select("name CA")
    pairs = [(carbons[0], carbons[-1]), tuple(topology.select(f"resid 0 and name {name}")[0] for name in ("CA", "N"))]
    trajectory = mdtraj.Trajectory(xyz, topology)
    np.testing.assert_allclose(found[:, 0], mdtraj.compute_rg(trajectory.atom_slice(heavy)), rtol=1e-5)
    np.testing.assert_allclose(found[:, 1:], mdtraj.compute_distances(trajectory, pairs), rtol=1e-5)


def test_independent_frames_weigh_alike(still: MetricContext) -> None:
    metric = FreeEnergySurface.fit(still)
    assert (metric.space, metric.lead) == (None, 0)
    frames = Frames(still.reference.positions[None])
    part = metric.statistics(frames, frames).reference
    assert set(part) == {"visits", "frames", "extent"}
    values = metric.grid.coordinates.series(frames)
    edges = [np.linspace(low, high, 11) for low, high in zip(metric.grid.low, metric.grid.high, strict=True)]
    counts = np.histogram2d(*values.T, edges)[0].ravel()
    np.testing.assert_array_equal(part["visits"].toarray().ravel(), counts)
    expected = -np.log((counts + 0.5) / (counts + 0.5).sum())
    np.testing.assert_allclose(metric.surface(part), expected)
    assert metric.value(metric.statistics(frames, frames)) == {
        "fes_rmse_kt": 0.0,
        "fes_weight_visited_percent": 100.0,
        "fes_outside_percent": 0.0,
    }


def test_collapsed_molecules_are_out_of_range_and_an_error(still: MetricContext) -> None:
    metric = FreeEnergySurface.fit(still)
    xyz = still.reference.positions.copy()
    xyz[100:] *= 0.2
    scores = metric.value(metric.statistics(Frames(still.reference.positions[None]), Frames(xyz[None])))
    assert scores["fes_outside_percent"] == 75.0
    assert scores["fes_rmse_kt"] > 0.1
    nothing = metric.value(metric.statistics(Frames(xyz[None]), Frames(np.full_like(xyz, np.nan)[None])))
    assert np.isnan(nothing["fes_rmse_kt"])
    assert nothing["fes_outside_percent"] == 100.0


def test_ranges_of_the_card_are_used(still: MetricContext) -> None:
    ranges = [[0.5, 2.0], [0.0, 6.0]]
    metric = FreeEnergySurface.fit(dataclasses.replace(still, settings={**still.settings, "ranges": ranges}))
    np.testing.assert_array_equal(np.stack([metric.grid.low, metric.grid.high], axis=1), ranges)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ranges": [[0, 1]]}, "ranges"),
        ({"ranges": [[0, 1], [2, 1]]}, "ranges"),
        ({"coordinates": ["end_to_end"]}, "give two"),
        ({"coordinates": ["radius_of_gyration", "volume"]}, "'volume' is not known"),
    ],
)
def test_wrong_cards_are_refused(still: MetricContext, settings: dict[str, object], message: str) -> None:
    with pytest.raises(CardError, match=message):
        FreeEnergySurface.fit(dataclasses.replace(still, settings=settings))


def test_temporal_tasks_may_name_coordinates(peptide: Peptide, still: MetricContext) -> None:
    reference = dataclasses.replace(still.reference, frame_ps=1.0)
    settings = {**still.settings, "coordinates": ["radius_of_gyration", "end_to_end"]}
    assert FreeEnergySurface.fit(dataclasses.replace(still, reference=reference, settings=settings)).space is None
