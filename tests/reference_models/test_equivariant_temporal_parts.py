"""Parts of the equivariant temporal model: planes, circles, labels, bounds."""

import mdtraj
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from backmapbench.reference_models.equivariant_temporal import azimuths, circle, inner_angle
from backmapbench.reference_models.equivariant_temporal.backbone import Backbone, Trace, measure_planes, place_planes
from backmapbench.reference_models.equivariant_temporal.bounds import Bounds
from backmapbench.reference_models.equivariant_temporal.labels import one_labelling
from backmapbench.reference_models.equivariant_temporal.randomness import Take
from backmapbench.reference_models.equivariant_temporal.stiff import Regression, persistence
from backmapbench.tasks import load_task


@pytest.fixture(scope="module")
def task():
    return load_task("cln-mini-temporal")


@pytest.fixture(scope="module")
def atoms(task):
    return task.training_set().train.positions[::10].astype(np.float64)


def test_planes_are_placed_where_they_were_measured(task, atoms):
    backbone = Backbone.of(task.system)
    trace = Trace.of(atoms[:, backbone.ca])
    numbers, azimuth = measure_planes(trace, atoms[:, backbone.carbon], atoms[:, backbone.nitrogen])
    carbon, nitrogen = place_planes(trace, numbers, azimuth)
    np.testing.assert_allclose(carbon, atoms[:, backbone.carbon], atol=1e-12)
    np.testing.assert_allclose(nitrogen, atoms[:, backbone.nitrogen], atol=1e-12)


def test_plane_numbers_against_mdtraj(task, atoms):
    backbone = Backbone.of(task.system)
    frames = mdtraj.Trajectory(atoms, task.system.topology)
    ca, c, n = backbone.ca, backbone.carbon, backbone.nitrogen
    trace = Trace.of(atoms[:, ca])
    numbers, azimuth = measure_planes(trace, atoms[:, c], atoms[:, n])
    for column, pairs in ((0, (ca[:-1], c)), (2, (n, ca[1:])), (3, (c, n))):
        found = mdtraj.compute_distances(frames, np.column_stack(pairs), opt=False)
        np.testing.assert_allclose(numbers[..., column], found, atol=1e-5)
    angles = mdtraj.compute_angles(frames, np.column_stack([c, ca[:-1], ca[1:]]), opt=False)
    np.testing.assert_allclose(numbers[..., 1], angles, atol=1e-3)
    torsions = mdtraj.compute_dihedrals(frames, np.column_stack([ca[:-1], c, ca[1:], n]), opt=False)
    np.testing.assert_allclose(np.cos(numbers[..., 4] - torsions), 1.0, atol=1e-5)
    about = mdtraj.compute_dihedrals(frames, np.column_stack([ca[:-2], ca[1:-1], ca[2:], c[1:]]), opt=False)
    np.testing.assert_allclose(np.cos(azimuth[:, 1:] - about), 1.0, atol=1e-4)
    bends = mdtraj.compute_angles(frames, np.column_stack([ca[:-2], ca[1:-1], ca[2:]]), opt=False)
    np.testing.assert_allclose(trace.bend, bends, atol=1e-3)


def test_azimuth_of_the_nitrogen_seen_from_the_next_bead(task, atoms):
    """What links a residue's two planes: the shift turns a carbon's azimuth into its nitrogen's, against mdtraj."""
    backbone = Backbone.of(task.system)
    trace, (numbers, azimuth) = azimuths.backbone_trace(backbone, atoms)
    ca, n = backbone.ca, backbone.nitrogen
    quads = np.column_stack([ca[2:], ca[:-2], ca[1:-1], n[:-1]])
    seen = mdtraj.compute_dihedrals(mdtraj.Trajectory(atoms, task.system.topology), quads, opt=False)
    np.testing.assert_allclose(np.cos(azimuth[:, :-1] + azimuths.shift(trace, numbers) - seen), 1.0, atol=1e-4)


def test_inner_angle_of_tilted_bonds(task, atoms):
    """N-CA-C from the two azimuths, bend and tilts, against the angle itself with each frame's own tilts."""
    backbone = Backbone.of(task.system)
    trace, (numbers, azimuth) = azimuths.backbone_trace(backbone, atoms[:6])
    before = circle.wrap(azimuth[:, :-1] + azimuths.shift(trace, numbers))
    quads = np.column_stack([backbone.nitrogen[:-1], backbone.ca[1:-1], backbone.carbon[1:]])
    angles = mdtraj.compute_angles(mdtraj.Trajectory(atoms[:6], task.system.topology), quads, opt=False)
    cells = 120
    for frame in range(6):
        tilt = [
            np.arccos(np.dot(*[v / np.linalg.norm(v) for v in (atoms[frame, end] - here, atoms[frame, bead] - here)]))
            for end, bead, here in (
                (backbone.nitrogen[2], backbone.ca[2], atoms[frame, backbone.ca[3]]),
                (backbone.carbon[3], backbone.ca[4], atoms[frame, backbone.ca[3]]),
            )
        ]
        grid = inner_angle.inner_angle(*tilt, cells)
        bend = int(trace.bend[frame, 2] * inner_angle.BENDS / np.pi)
        place = circle.cell_of(before[frame, 2], cells), circle.cell_of(azimuth[frame, 3], cells)
        assert abs(grid[bend, *place] - angles[frame, 2]) < 0.06


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_draws_of_a_circle_follow_their_weights(seed):
    weights = np.random.default_rng(seed).random(12) ** 3 + 1e-6
    levels = (np.arange(6000) + 0.5) / 6000
    cells, angles = circle.draw(np.tile(weights, (6000, 1)), levels)
    np.testing.assert_allclose(np.bincount(cells, minlength=12) / 6000, weights / weights.sum(), atol=2e-3)
    assert (circle.cell_of(angles[1:-1], 12) == cells[1:-1]).mean() > 0.99
    assert (np.diff(angles) >= 0).all()


def test_memory_is_found_again():
    """A three-well torsion that jumps with a known chance."""
    rng = np.random.default_rng(0)
    wells = np.exp(8 * np.cos(3 * circle.centres(90)))
    weights = np.tile(wells / wells.sum(), (1, 1))
    truth = circle.Memory(np.array(0.1), np.radians(22))
    angles = np.zeros(4000)
    for step in range(1, 4000):
        density = circle.remembering(weights, angles[step - 1 : step], truth)
        angles[step] = circle.draw(density, rng.random(1))[1][0]
    found = circle.fit_memory(np.tile(weights, (3999, 1)), angles[1:], angles[:-1])
    assert 0.05 <= found.jump <= 0.2
    assert np.bincount((circle.cell_of(angles, 90) // 30), minlength=3).min() > 1000


def test_chain_draws_against_enumeration():
    """Two planes on a coarse grid: frequencies of draws against the product of weights summed by hand."""
    rng = np.random.default_rng(1)
    cells, draws = 6, 40000
    link = rng.random((1, 1, cells, cells)) ** 2
    model = azimuths.Azimuths(
        np.ones((1, inner_angle.BENDS, cells, cells)), circle.Memory(np.full((2, 1), 0.2), np.full((2, 1), 0.8))
    )
    before = np.array([[0.3, -2.0]])
    drawn = model.draw(link, before, rng.random((1, draws, 2)))[0]
    found = np.zeros((cells, cells))
    np.add.at(found, tuple(circle.cell_of(drawn, cells).T), 1 / draws)
    remembered = 0.2 + 0.8 * model.memories.near(before, cells)[0]
    exact = remembered[0][:, None] * link[0, 0] * remembered[1]
    np.testing.assert_allclose(found, exact / exact.sum(), atol=0.01)


def test_regression_draws_have_the_covariance_of_training():
    rng = np.random.default_rng(2)
    inputs = rng.normal(size=(4000, 2))
    mixing = np.array([[1.0, 0.0], [0.8, 0.3]])
    numbers = inputs @ [[0.5, -1.0], [0.0, 2.0]] + rng.normal(size=(4000, 2)) @ mixing.T
    model = Regression.fit(inputs, numbers, None, 1e-6)
    drawn = model.draw(np.zeros((20000, 2)), rng.normal(size=(20000, 2)))
    np.testing.assert_allclose(np.cov(drawn.T), mixing @ mixing.T, atol=0.06)
    blind = Regression.fit(inputs, numbers, np.array([[True, False], [False, True]]), 1e-6)
    assert blind.slope[1, 1] == blind.slope[2, 0] == 0


def test_hydrogens_get_one_order(task, atoms):
    topology = task.system.topology
    named = {(atom.residue.name, atom.residue.index, atom.name): atom.index for atom in topology.atoms}
    pair = [named["TYR", 2, "HB2"], named["TYR", 2, "HB3"]]
    swapped = atoms.copy()
    swapped[:10, pair] = swapped[:10, pair[::-1]]
    np.testing.assert_array_equal(one_labelling(topology, swapped), one_labelling(topology, atoms))
    heavy = [atom.index for atom in topology.atoms if atom.element.symbol != "H"]
    np.testing.assert_array_equal(one_labelling(topology, atoms)[:, heavy], atoms[:, heavy])


def test_bounds_are_met_and_nothing_else_moves(task, atoms):
    beads = task.system.mapping.slice_atoms
    bounds = Bounds.fit(task.system.topology, beads, atoms)
    inside = atoms[(np.linalg.norm(atoms[:, bounds.first] - atoms[:, bounds.second], axis=-1) >= bounds.low).all(1)]
    inside = inside[(np.linalg.norm(inside[:, bounds.first] - inside[:, bounds.second], axis=-1) <= bounds.high).all(1)]
    np.testing.assert_array_equal(bounds.project(inside, 5), inside)
    shaken = atoms[:10] + np.random.default_rng(3).normal(0, 0.01, atoms[:10].shape)
    shaken[:, beads] = atoms[:10, beads]

    def broken(points):
        lengths = np.linalg.norm(points[:, bounds.first] - points[:, bounds.second], axis=-1)
        return np.abs(lengths - np.clip(lengths, bounds.low, bounds.high)).mean()

    mended = bounds.project(shaken, 100)
    assert broken(mended) < 0.05 * broken(shaken)
    np.testing.assert_array_equal(mended[:, beads], shaken[:, beads])


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_whitening_undoes_draws(seed):
    rng = np.random.default_rng(seed)
    inputs, numbers = rng.normal(size=(50, 2)), rng.normal(size=(50, 3))
    model = Regression.fit(inputs, numbers, None, 1e-3)
    noise = rng.normal(size=(7, 3))
    np.testing.assert_allclose(model.whiten(inputs[:7], model.draw(inputs[:7], noise)), noise, atol=1e-6)


def test_persistence_of_an_autoregressive_process():
    rng = np.random.default_rng(7)
    noise = np.zeros((20000, 2))
    for step in range(1, len(noise)):
        noise[step] = np.array([0.7, 0.0]) * noise[step - 1] + np.array([np.sqrt(0.51), 1.0]) * rng.normal(size=2)
    np.testing.assert_allclose(persistence(noise, np.arange(1, len(noise))), [0.7, 0.0], atol=0.03)
    assert (persistence(noise, np.zeros(0, dtype=np.intp)) == 0).all()


def test_random_numbers_are_handed_out_once_and_by_row():
    take = Take(np.random.default_rng(0).random((3, 20)))
    again = Take(np.random.default_rng(0).random((3, 20)))
    whole = again(20)
    np.testing.assert_array_equal(take(2, 3), whole[:, :6].reshape(3, 2, 3))
    np.testing.assert_array_equal(take.rows(np.array([2, 0]))(4), whole[[2, 0], 6:10])
    take.skip(4)
    np.testing.assert_allclose(norm.cdf(take.normal(6)), whole[:, 10:16], atol=1e-12)
