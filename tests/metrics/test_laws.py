"""Laws of every registered metric: a new line in the registry is tested here without being named.

A metric that a law cannot hold for is named beside the law, with the reason; what needs settings, or another molecule
than alanine dipeptide, is named below.
"""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial.transform import Rotation

from backmapbench.coarse_graining import CoarseMapping
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import BackmapbenchError
from backmapbench.metrics import METRICS, Frames, Metric, MetricContext, Statistics, metric_class

SETTINGS: dict[str, dict[str, Any]] = {  # as in a task card, where the defaults do not fit 400 frames
    "fes_rmse_kt": {"bins": 12, "maximum_kt": 6.0, "minimum_frames": 3},
    "hidden_torsion_timescale_log_error": {"maximum_lag_frames": 30},
}
KINETICS = {"states": 12, "lag_frames": 2}
ON_PEPTIDE = {"ring_planarity_angstrom"}  # alanine dipeptide has no ring
SAMPLES = 8
Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Case:
    """A fitted metric, its task, and a prediction (samples, frames, atoms, 3) in nm, one frame in ten inverted."""

    metric: Metric
    context: MetricContext
    drawn: Array

    @property
    def reference(self) -> Array:
        return self.context.reference.positions

    def score(self, prediction: NDArray, reference: NDArray | None = None) -> dict[str, float]:
        expected = self.reference if reference is None else reference
        drawn = prediction if prediction.ndim == 4 else prediction[None]
        return self.metric.value(self.metric.statistics(Frames(expected[None]), Frames(drawn)))

    def copies(self, xyz: NDArray) -> NDArray:
        """As many equal samples as the metric needs."""
        return np.repeat(xyz[None], self.metric.minimum_samples, axis=0)


@pytest.fixture(scope="module")
def contexts(make_context: Callable[..., MetricContext], peptide_context: MetricContext) -> dict[str, MetricContext]:
    return {"dipeptide": make_context(kinetics=KINETICS), "peptide": peptide_context}


@pytest.fixture(scope="module")
def case(contexts: dict[str, MetricContext]) -> Callable[[str], Case]:
    """``case(id)``: one per metric."""
    made: dict[str, Case] = {}
    drawn = {name: prediction(context.reference.positions) for name, context in contexts.items()}

    def get(name: str) -> Case:
        if name not in made:
            system = "peptide" if name in ON_PEPTIDE else "dipeptide"
            context = replace(contexts[system], settings=SETTINGS.get(name, {}))
            made[name] = Case(metric_class(name).fit(context), context, drawn[system])
        return made[name]

    return get


def prediction(reference: Array, sd: float = 0.02) -> Array:
    noise = np.random.default_rng(1).normal(scale=sd, size=(SAMPLES, *reference.shape))
    found = (reference + noise).astype(np.float32)
    found[:, ::10] *= -1
    return found


every = pytest.mark.parametrize("name", METRICS)


@every
def test_scores_are_those_declared(name: str, case: Callable[[str], Case]) -> None:
    metric, scores = case(name).metric, case(name).score(case(name).drawn)
    assert metric.id == metric.scores[0].id == name
    assert list(scores) == [score.id for score in metric.scores]
    assert all(isinstance(value, float) for value in scores.values())
    assert metric.version >= 1
    assert metric.minimum_samples >= 1
    assert metric.scores[0].ranked or not any(score.ranked for score in metric.scores)  # descriptive as a whole


# The truth has no spread to compare: calibration gives no value to the oracle.
@pytest.mark.parametrize("name", [name for name in METRICS if name != "calibration"])
@pytest.mark.parametrize("samples", [1, 3, 8])
def test_ranked_errors_are_exactly_zero_at_the_reference(name: str, samples: int, case: Callable[[str], Case]) -> None:
    law = case(name)
    scores = law.score(np.repeat(law.reference[None], max(samples, law.metric.minimum_samples), axis=0))
    ranked = [score.id for score in law.metric.scores if score.ranked]
    assert [scores[score] for score in ranked if score == name] == [0.0] * (name in ranked)
    # A molecule without proline, say, leaves that variant without a value.
    assert {scores[score] for score in ranked if not np.isnan(scores[score])} <= {0.0}


@every
def test_no_ranked_error_is_negative(name: str, case: Callable[[str], Case]) -> None:
    law = case(name)
    swapped = law.score(law.copies(law.reference), law.drawn[0])  # the better side as prediction
    for scores in (law.score(law.drawn), swapped):
        assert all(not scores[score.id] < 0 for score in law.metric.scores if score.ranked)


@every
@settings(max_examples=4, deadline=None)
@given(cuts=st.lists(st.integers(1, 39), min_size=1, max_size=3, unique=True))
def test_cutting_into_chunks_changes_nothing(name: str, case: Callable[[str], Case], cuts: list[int]) -> None:
    law = case(name)
    sides = (law.reference[None, :40], law.drawn[:, :40])
    whole = law.metric.statistics(*(Frames(side) for side in sides))
    edges = [0, *sorted(cuts), 40]
    parts = []
    for start, stop in itertools.pairwise(edges):
        lead = min(law.metric.lead, start)
        parts.append(law.metric.statistics(*(Frames(side[:, start - lead : stop], lead) for side in sides)))
    merged = law.metric.value(reduce(add, parts))
    assert merged == pytest.approx(law.metric.value(whole), rel=1e-9, abs=1e-9, nan_ok=True)


@every
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_size_of_chunks_changes_nothing(name: str, size: int, case: Callable[[str], Case]) -> None:
    law = case(name)
    whole = law.metric.value(law.metric.statistics(Frames(law.reference[None, :40]), Frames(law.drawn[:, :40])))
    parts = []
    for start in range(0, 40, size):
        lead = min(law.metric.lead, start)
        chunk = slice(start - lead, min(start + size, 40))
        parts.append(law.metric.statistics(Frames(law.reference[None, chunk], lead), Frames(law.drawn[:, chunk], lead)))
    assert law.metric.value(reduce(add, parts)) == pytest.approx(whole, rel=1e-9, abs=1e-12, nan_ok=True)


@every
@pytest.mark.parametrize("lead", [0, 5])
def test_a_chunk_without_frames_adds_nothing(name: str, lead: int, case: Callable[[str], Case]) -> None:
    law = case(name)
    whole = law.metric.statistics(Frames(law.reference[None]), Frames(law.drawn))
    empty = law.metric.statistics(Frames(law.reference[None, :lead], lead), Frames(law.drawn[:, :lead], lead))
    assert law.metric.value(whole + empty) == pytest.approx(law.metric.value(whole), rel=1e-12, nan_ok=True)


@every
def test_no_frames_at_all_have_no_value(name: str, case: Callable[[str], Case]) -> None:
    law = case(name)
    scores = law.score(law.drawn[:, :0], law.reference[:0])
    assert set(scores) == {score.id for score in law.metric.scores}
    assert np.isnan(scores[name])


@every
def test_weighted_sums_are_repeated_blocks(name: str, case: Callable[[str], Case]) -> None:
    law = case(name)
    middle = law.context.reference.lengths[0]
    blocks = [
        law.metric.statistics(Frames(law.reference[None, part]), Frames(law.drawn[:, part]))
        for part in (slice(0, middle), slice(middle, 2 * middle))
    ]
    repeated = law.metric.value(blocks[0] + blocks[1] + blocks[1])
    assert law.metric.value(weighted(blocks, [1.0, 2.0])) == pytest.approx(repeated, rel=1e-9, nan_ok=True)
    halved = law.metric.value(weighted(blocks, [0.5, 0.5]))
    if name not in PSEUDO_COUNTS:
        assert halved == pytest.approx(law.metric.value(blocks[0] + blocks[1]), rel=1e-9, abs=1e-9, nan_ok=True)


# Fixed pseudo-counts weigh more against fewer frames.
PSEUDO_COUNTS = {"torsion_jsd", "hidden_torsion_jsd", "fes_rmse_kt"}


def weighted(blocks: list[Statistics], weights: list[float]) -> Statistics:
    return reduce(
        add,
        (
            Statistics(*({key: value * weight for key, value in part.items()} for part in parts))
            for block, weight in zip(blocks, weights, strict=True)
            for parts in [(block.reference, block.prediction, block.paired)]
        ),
    )


@every
def test_statistics_are_plain_arrays(name: str, case: Callable[[str], Case]) -> None:
    """They are stacked, weighted and stored by code that knows no metric."""
    law = case(name)
    found = law.metric.statistics(Frames(law.reference[None, :20]), Frames(law.drawn[:, :20]))
    for part in (found.reference, found.prediction, found.paired):
        for value in part.values():
            assert isinstance(value, np.ndarray) or (sparse.issparse(value) and value.shape[0] == 1)
    assert law.metric.paired == bool(found.paired)


@every
def test_moving_both_together_changes_nothing(name: str, case: Callable[[str], Case]) -> None:
    law = case(name)
    rng = np.random.default_rng(7)
    turn, shift = Rotation.random(rng=rng).as_matrix(), rng.normal(size=3)
    sides = [side.astype(np.float64) for side in (law.drawn, law.reference)]
    moved = law.score(*(side @ turn + shift for side in sides))
    # A coordinate's last bit moves some values across the edge of a cell.
    assert moved == pytest.approx(law.score(*sides), rel=2e-3, abs=2e-4, nan_ok=True)


@every
def test_the_order_of_atoms_does_not_matter(name: str, case: Callable[[str], Case], tmp_path: Path) -> None:
    law = case(name)
    rng = np.random.default_rng(3)
    residues = [[atom.index for atom in residue.atoms] for residue in law.context.topology.residues]
    order = np.concatenate([rng.permutation(atoms) for atoms in residues])
    metric = metric_class(name).fit(relabelled(law.context, order, tmp_path / "relabelled.pdb"))
    again = Case(metric, law.context, law.drawn)
    found = again.score(law.drawn[:, :, order], law.reference[:, order])
    assert found == pytest.approx(law.score(law.drawn), rel=1e-6, abs=1e-9, nan_ok=True)


def relabelled(context: MetricContext, order: NDArray[np.intp], path: Path) -> MetricContext:
    """The same task with atom ``order[k]`` at place k."""
    old = context.topology
    made = mdtraj.Topology()
    chain = made.add_chain()
    residues = [made.add_residue(residue.name, chain, residue.resSeq) for residue in old.residues]
    placed = {}
    for index in order:
        atom = old.atom(int(index))
        placed[atom.index] = made.add_atom(atom.name, atom.element, residues[atom.residue.index])
    for first, second in old.bonds:
        made.add_bond(placed[second.index], placed[first.index])
    positions = context.reference.positions[:, order]
    mdtraj.Trajectory(positions[:1], made).save_pdb(str(path))
    places = np.argsort(order)
    kinetics = dict(context.kinetics)
    if "torsions" in kinetics:
        kinetics["torsions"] = places[kinetics["torsions"]]
    weights = sparse.csr_array(context.mapping.weights)[:, order]
    return replace(
        context,
        topology=made,
        topology_path=str(path),
        mapping=CoarseMapping(weights, context.mapping.bead_names),
        reference=context.reference.replace_positions(positions),
        kinetics=kinetics,
        hidden_torsions=places[context.hidden_torsions],
        shared={},
    )


@every
def test_only_metrics_of_pairs_and_of_time_see_the_order_of_frames(name: str, case: Callable[[str], Case]) -> None:
    law = case(name)
    shuffled = law.drawn[:, np.random.default_rng(6).permutation(len(law.reference))]
    found, expected = law.score(shuffled), law.score(law.drawn)
    ordered = law.metric.paired or law.metric.lead > 0
    if not ordered:
        assert found == pytest.approx(expected, rel=1e-12, nan_ok=True)
    elif name not in ORDER_IN_ONE_NUMBER:
        assert found[name] != expected[name]


# Paired or temporal, but a jump is rare enough, and steps of inverted frames large enough, to stay the same in number.
ORDER_IN_ONE_NUMBER = {"frame_jump"}


# Handedness: what is fitted on the reference before the mirror (expected hands, k-means centres, cells compared).
HANDED = {"chirality_percent", "fes_rmse_kt", "timescale_log_error", "eigenvector_error"}
MIRROR = np.array([-1.0, 1.0, 1.0])


@every
def test_mirroring_both_changes_only_handed_metrics(name: str, case: Callable[[str], Case]) -> None:
    law = case(name)
    sides = [side.astype(np.float64) for side in (law.drawn, law.reference)]
    mirrored, expected = law.score(*(side * MIRROR for side in sides)), law.score(*sides)
    if name in HANDED:
        assert mirrored != pytest.approx(expected, rel=2e-3, abs=2e-4, nan_ok=True)
    else:
        assert mirrored == pytest.approx(expected, rel=2e-3, abs=2e-4, nan_ok=True)


@pytest.mark.parametrize("name", sorted(HANDED))
def test_handed_metrics_of_a_mirrored_world_are_those_of_this_one(name: str, case: Callable[[str], Case]) -> None:
    law = case(name)
    reference = law.context.reference.replace_positions((law.reference * MIRROR).astype(np.float32))
    metric = metric_class(name).fit(replace(law.context, reference=reference, shared={}))
    found = metric.value(metric.statistics(Frames(reference.positions[None]), Frames(law.drawn * np.float32(MIRROR))))
    # An angle at the very edge of a cell falls on its other side in the mirror.
    assert found == pytest.approx(law.score(law.drawn), rel=2e-2, abs=2e-3, nan_ok=True)


# Scores of distances alone cannot tell a molecule from its mirror image; all others must.
BLIND = {
    "ged", "clash_percent", "clashscore", "bond_length_w1_angstrom", "angle_w1_degree", "cis_omega_percent",
    "ring_planarity_angstrom", "lddt", "rg_w1_angstrom", "energy_w1_kt", "velocity_w1", "frame_jump",
    "hidden_torsion_timescale_log_error", "timescale_log_error", "eigenvector_error", "diversity_angstrom",
    "calibration", "energy_terms_w1_kt",
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in METRICS if name not in BLIND])
def test_the_mirror_image_of_the_reference_is_an_error(name: str, case: Callable[[str], Case]) -> None:
    law = case(name)
    assert law.score(law.copies(law.reference * np.float32([-1, 1, 1])))[name] > 0


# Kinetics and surfaces of one noisy trajectory go up and down; the spread of samples is no error of structure.
NOT_STRUCTURAL = {
    "fes_rmse_kt", "timescale_log_error", "eigenvector_error", "hidden_torsion_timescale_log_error", "calibration",
}  # fmt: skip
STRICT = {
    "rmsd_angstrom", "lddt", "energy_w1_kt", "bond_length_w1_angstrom", "angle_w1_degree", "cg_consistency_angstrom",
    "energy_score_angstrom", "diversity_angstrom", "torsion_jsd", "ring_planarity_angstrom",
}  # fmt: skip
TOLERANT = {"lddt"}  # a first step far below its smallest threshold of 0.5 Angstrom is none


@pytest.mark.parametrize("name", [name for name in METRICS if name not in NOT_STRUCTURAL])
def test_no_error_decreases_as_noise_grows(name: str, case: Callable[[str], Case]) -> None:
    law = case(name)
    noise = np.random.default_rng(4).normal(size=(law.metric.minimum_samples, *law.reference.shape))
    levels = [law.score((law.reference + sd * noise).astype(np.float32)) for sd in (0.0, 0.005, 0.01, 0.03)]
    for score in law.metric.scores:
        rises = np.diff([level[score.id] for level in levels])
        if score.ranked and not np.isnan(rises).all():
            assert (rises >= 0).all(), score.id
        if score.id in STRICT:
            assert (rises[score.id in TOLERANT :] > 0).all(), score.id


@every
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_places_that_are_not_finite_are_no_crash_and_no_merit(
    name: str, wrong: float, case: Callable[[str], Case]
) -> None:
    law = case(name)
    broken = law.score(np.full_like(law.drawn, wrong))[name]
    noisy = law.score(law.copies(law.reference) + np.random.default_rng(2).normal(scale=1e-3, size=law.reference.shape))
    assert np.isnan(broken) or broken > noisy[name]
    partly = law.drawn.copy()
    partly[:, 5, 3] = wrong
    assert set(law.score(partly)) == {score.id for score in law.metric.scores}


@every
def test_all_atoms_on_one_point_is_no_crash_and_no_merit(name: str, case: Callable[[str], Case]) -> None:
    law = case(name)
    collapsed = law.score(np.zeros_like(law.drawn))
    assert all(isinstance(value, float) for value in collapsed.values())
    if law.metric.scores[0].ranked:
        assert np.isnan(collapsed[name]) or not collapsed[name] < law.score(law.copies(law.reference))[name]


@every
def test_one_frame_has_a_value_or_a_clear_error(name: str, case: Callable[[str], Case]) -> None:
    law = case(name)
    one = replace(law.context, reference=Trajectories(law.reference[:1], (1,), law.context.frame_ps), shared={})
    try:
        metric = metric_class(name).fit(one)
    except BackmapbenchError:
        return  # one frame makes no step, no time and no states
    scores = Case(metric, one, law.drawn[:, :1]).score(law.drawn[:, :1])
    assert all(isinstance(value, float) for value in scores.values())


@every
def test_pickled_metric_scores_the_same(name: str, case: Callable[[str], Case]) -> None:
    law = case(name)
    again = replace(law, metric=pickle.loads(pickle.dumps(law.metric)))  # noqa: S301
    assert again.score(law.drawn) == pytest.approx(law.score(law.drawn), rel=1e-12, nan_ok=True)


@every
def test_scoring_twice_gives_the_same(name: str, case: Callable[[str], Case]) -> None:
    law = case(name)
    before = law.drawn.copy()
    first = law.score(law.drawn)
    assert law.score(law.drawn) == pytest.approx(first, rel=0, abs=0, nan_ok=True)
    np.testing.assert_array_equal(law.drawn, before)  # nothing is changed in place


# Lengths scale with the unit of length, numbers without one do not; not where a threshold is a length.
SCALED = ("Angstrom", "nm/ps")


@pytest.mark.parametrize(
    "name",
    [
        "rmsd_angstrom", "bond_length_w1_angstrom", "cg_consistency_angstrom", "rg_w1_angstrom", "angle_w1_degree",
        "torsion_jsd", "cis_omega_percent", "ring_planarity_angstrom", "energy_score_angstrom", "calibration",
        "diversity_angstrom", "velocity_w1", "hidden_torsion_jsd",
    ],
)  # fmt: skip
def test_a_longer_unit_of_length_changes_lengths_alone(name: str, case: Callable[[str], Case]) -> None:
    law = case(name)
    factor = 1.5
    found = law.score(factor * law.drawn.astype(np.float64), factor * law.reference.astype(np.float64))
    expected = law.score(law.drawn.astype(np.float64), law.reference.astype(np.float64))
    for score in law.metric.scores:
        if score.id.endswith("_as_published") and name == "velocity_w1":
            continue  # a square under the name of a speed
        scale = factor if score.unit in SCALED else 1.0
        assert found[score.id] == pytest.approx(scale * expected[score.id], rel=2e-3, abs=2e-4, nan_ok=True), score.id


@every
def test_a_longer_unit_of_time_changes_times_alone(name: str, case: Callable[[str], Case]) -> None:
    """The same frames said to be twice as far apart: speeds halve, times double, all else stays."""
    law = case(name)
    slower = replace(law.context.reference, frame_ps=2 * (law.context.frame_ps or 0.0))
    metric = metric_class(name).fit(replace(law.context, reference=slower, shared={}))
    found, expected = replace(law, metric=metric).score(law.drawn), law.score(law.drawn)
    factors = {"nm/ps": 0.5, "ps": 2.0}
    for score in law.metric.scores:
        factor = factors.get(score.unit, 1.0)
        # Speeds are counted in cells of 1e-4 nm/ps.
        assert found[score.id] == pytest.approx(factor * expected[score.id], rel=2e-3, abs=2e-4, nan_ok=True), score.id


def test_statistics_of_trajectories_add_up_to_those_of_the_whole(contexts: dict[str, MetricContext]) -> None:
    """The cases above are what they claim to be: predictions that differ from their reference in every frame."""
    for context in contexts.values():
        reference = context.reference
        assert isinstance(reference, Trajectories)
        assert (np.abs(prediction(reference.positions) - reference.positions).max(axis=(0, 2, 3)) > 0).all()
