"""Laws of structure metrics alone, on a peptide with every kind of side chain, with and without hydrogens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from backmapbench.coarse_graining import atom_slice
from backmapbench.metrics import Metric, MetricContext, metric_class

# Scores that do not see how a frame lies in space, so that each frame may be moved by itself.
INTERNAL = [
    "ged", "clash_percent", "clashscore", "bond_length_w1_angstrom", "angle_w1_degree", "torsion_jsd",
    "chirality_percent", "cis_omega_percent", "ring_planarity_angstrom", "lddt", "rg_w1_angstrom",
]  # fmt: skip
STRUCTURE = [
    *INTERNAL, "rmsd_angstrom", "cg_consistency_angstrom", "energy_score_angstrom", "calibration", "diversity_angstrom",
]  # fmt: skip
HYDROGENS = ("with hydrogens", "heavy atoms")
Evaluate = Callable[..., dict[str, float]]
Case = tuple[Metric, NDArray[np.float32], NDArray[np.float32]]


@pytest.fixture(scope="module")
def case(peptide_context: MetricContext) -> Callable[[str, str], Case]:
    """``case(id, hydrogens)``: the fitted metric, the reference, and eight samples of it with noise of 0.2 Angstrom."""
    made: dict[str, tuple[MetricContext, NDArray[np.float32]]] = {}
    metrics: dict[tuple[str, str], Metric] = {}
    whole = peptide_context.topology
    kept = np.array([atom.index for atom in whole.atoms if atom.element.symbol != "H"])
    for hydrogens, atoms in zip(HYDROGENS, (np.arange(whole.n_atoms), kept), strict=True):
        topology = whole.subset(atoms)
        positions = peptide_context.reference.positions[:, atoms]
        context = replace(
            peptide_context,
            topology=topology,
            mapping=atom_slice(topology, list(peptide_context.mapping.bead_names)),
            reference=peptide_context.reference.replace_positions(positions),
        )
        noise = np.random.default_rng(0).normal(scale=0.02, size=(8, *positions.shape))
        made[hydrogens] = context, (positions + noise).astype(np.float32)

    def get(name: str, hydrogens: str) -> Case:
        context, drawn = made[hydrogens]
        if (name, hydrogens) not in metrics:
            metrics[name, hydrogens] = metric_class(name).fit(context)
        return metrics[name, hydrogens], context.reference.positions, drawn

    return get


@pytest.mark.parametrize("hydrogens", HYDROGENS)
@pytest.mark.parametrize("name", STRUCTURE)
def test_every_score_is_defined(
    name: str, hydrogens: str, case: Callable[[str, str], Case], evaluate: Evaluate
) -> None:
    metric, reference, drawn = case(name, hydrogens)
    scores = evaluate(metric, reference, drawn)
    assert np.isfinite(list(scores.values())).all()
    if name != "calibration":
        zero = evaluate(metric, reference, np.repeat(reference[None], 8, axis=0))
        assert {zero[score.id] for score in metric.scores if score.ranked} <= {0.0}


@pytest.mark.parametrize("name", INTERNAL)
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_moving_each_frame_by_itself_changes_no_internal_score(
    name: str, seed: int, case: Callable[[str, str], Case], evaluate: Evaluate
) -> None:
    metric, reference, drawn = case(name, "with hydrogens")
    rng = np.random.default_rng(seed)
    turns = Rotation.random(len(reference), rng=rng).as_matrix()
    moved = evaluate(metric, reference, drawn.astype(np.float64) @ turns + rng.normal(size=(len(reference), 1, 3)))
    assert moved == pytest.approx(evaluate(metric, reference, drawn.astype(np.float64)), rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("name", ["ged", "clash_percent", "rmsd_angstrom", "lddt", "rg_w1_angstrom", "torsion_jsd"])
def test_heavy_atom_scores_do_not_see_hydrogens(
    name: str, case: Callable[[str, str], Case], evaluate: Evaluate
) -> None:
    metric, reference, drawn = case(name, "with hydrogens")
    bare, heavy_reference, _ = case(name, "heavy atoms")
    kept = [atom for atom in range(reference.shape[1]) if (heavy_reference[0] == reference[0, atom]).all(-1).any()]
    found = evaluate(bare, heavy_reference, drawn[:, :, kept])
    expected = evaluate(metric, reference, drawn)
    # All atoms are the heavy ones where hydrogens are missing.
    assert all(found[key] == pytest.approx(expected[key], rel=1e-9) for key in found if key != "ged_all_atom")


@pytest.mark.parametrize("name", [name for name in STRUCTURE if name not in ("energy_score_angstrom", "calibration")])
def test_equal_samples_score_as_one(name: str, case: Callable[[str, str], Case], evaluate: Evaluate) -> None:
    metric, reference, drawn = case(name, "with hydrogens")
    few, many = (
        evaluate(metric, reference, np.repeat(drawn[:1], count, axis=0)) for count in (metric.minimum_samples, 8)
    )
    assert many == pytest.approx(few, rel=1e-9)


@pytest.mark.parametrize("name", ["energy_score_angstrom", "calibration"])
def test_too_few_samples_have_no_value(name: str, case: Callable[[str, str], Case], evaluate: Evaluate) -> None:
    metric, reference, drawn = case(name, "with hydrogens")
    assert metric.minimum_samples == 8
    assert np.isnan(evaluate(metric, reference, drawn[:7])[name])
    assert np.isfinite(evaluate(metric, reference, drawn)[name])
