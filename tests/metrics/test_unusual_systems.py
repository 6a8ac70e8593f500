"""Every registered metric on molecules that it may not fit: a defined answer or one clear error, never a crash.

One residue without caps, glycine alone, residues and elements outside the usual twenty, and missing hydrogens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import mdtraj
import numpy as np
import pytest
from numpy.typing import NDArray

from backmapbench.coarse_graining import atom_slice
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import BackmapbenchError
from backmapbench.metrics import METRICS, Frames, Metric, MetricContext, metric_class
from backmapbench.metrics.protein_torsions import protein_torsions

SEQUENCES = {
    "one residue": ["ALA"],
    "glycine alone": ["GLY", "GLY", "GLY"],
    # Selenium, phosphorus, a D amino acid, no alpha hydrogen, an aromatic ring under another name.
    "unusual residues": ["MSE", "SEP", "DAL", "PTR", "AIB", "NLE"],
    "missing hydrogens": ["ALA", "PHE", "SER", "LEU"],
}
MAIN_SCORES = {  # that must have a value there; a metric that is not named may refuse the molecule
    "one residue": {
        "rmsd_angstrom", "ged", "clash_percent", "clashscore", "bond_length_w1_angstrom", "angle_w1_degree",
        "chirality_percent", "cg_consistency_angstrom", "rg_w1_angstrom", "energy_score_angstrom", "calibration",
        "diversity_angstrom", "velocity_w1", "frame_jump",
    },
    "glycine alone": {
        "rmsd_angstrom", "ged", "clash_percent", "clashscore", "bond_length_w1_angstrom", "angle_w1_degree", "lddt",
        "torsion_jsd", "cis_omega_percent", "cg_consistency_angstrom", "rg_w1_angstrom", "energy_score_angstrom",
        "calibration", "diversity_angstrom", "velocity_w1", "frame_jump", "hidden_torsion_jsd",
    },
    "unusual residues": {
        "rmsd_angstrom", "ged", "clash_percent", "clashscore", "bond_length_w1_angstrom", "angle_w1_degree", "lddt",
        "torsion_jsd", "cis_omega_percent", "chirality_percent", "ring_planarity_angstrom", "cg_consistency_angstrom",
        "rg_w1_angstrom", "energy_score_angstrom", "calibration", "diversity_angstrom", "velocity_w1", "frame_jump",
        "hidden_torsion_jsd",
    },
    "missing hydrogens": {
        "rmsd_angstrom", "ged", "clash_percent", "clashscore", "bond_length_w1_angstrom", "angle_w1_degree", "lddt",
        "torsion_jsd", "cis_omega_percent", "chirality_percent", "ring_planarity_angstrom", "cg_consistency_angstrom",
        "rg_w1_angstrom", "energy_score_angstrom", "calibration", "diversity_angstrom", "velocity_w1", "frame_jump",
        "hidden_torsion_jsd",
    },
}  # fmt: skip
FRAMES = 40
SAMPLES = 8


@dataclass(frozen=True, eq=False)
class System:
    """A task on one of the molecules, and a prediction (samples, frames, atoms, 3), nm, that is off by 0.1 Angstrom."""

    context: MetricContext
    drawn: NDArray[np.float32]

    def score(self, metric: Metric, prediction: NDArray[np.float32]) -> dict[str, float]:
        return metric.value(metric.statistics(Frames(self.context.reference.positions[None]), Frames(prediction)))


@pytest.fixture(scope="module")
def systems(
    make_peptide: Callable[[Sequence[str]], tuple[mdtraj.Topology, NDArray[np.float32]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, System]:
    folder = tmp_path_factory.mktemp("molecules")
    return {name: system(*molecule(name, make_peptide), folder / f"{name}.pdb") for name in SEQUENCES}


def molecule(
    name: str, make_peptide: Callable[[Sequence[str]], tuple[mdtraj.Topology, NDArray[np.float32]]]
) -> tuple[mdtraj.Topology, NDArray[np.float32]]:
    topology, xyz = make_peptide(SEQUENCES[name])
    if name != "missing hydrogens":
        return topology, xyz
    kept = [atom.index for atom in topology.atoms if atom.element.symbol != "H"]
    return topology.subset(kept), xyz[kept]


def system(topology: mdtraj.Topology, rest: NDArray[np.float32], path: Path) -> System:
    rng = np.random.default_rng(0)
    positions = (rest + rng.normal(scale=0.003, size=(2 * FRAMES, *rest.shape))).astype(np.float32)
    mdtraj.Trajectory(rest[None], topology).save_pdb(str(path))
    torsions = protein_torsions(topology)
    backbone = np.concatenate([torsions["phi"][:1], torsions["psi"][:1]])
    context = MetricContext(
        topology=topology,
        topology_path=str(path),
        mapping=atom_slice(topology, [f"{residue.name}{residue.resSeq}:CA" for residue in topology.residues]),
        reference=Trajectories(positions, (FRAMES, FRAMES), 1.0),
        temperature_K=300.0,
        force_field=("amber99sbildn.xml",),
        settings={},
        kinetics={"torsions": backbone, "states": 4, "lag_frames": 1} if len(backbone) == 2 else {},
        hidden_torsions=torsions["psi"],
    )
    drawn = positions + rng.normal(scale=0.01, size=(SAMPLES, *positions.shape))
    return System(context, drawn.astype(np.float32))


def fitted(name: str, context: MetricContext) -> Metric | BackmapbenchError:
    try:
        return metric_class(name).fit(context)
    except BackmapbenchError as error:
        return error


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("molecule", SEQUENCES)
def test_a_molecule_out_of_the_ordinary_has_scores_or_one_clear_error(
    molecule: str, name: str, systems: dict[str, System]
) -> None:
    made = systems[molecule]
    metric = fitted(name, made.context)
    if isinstance(metric, BackmapbenchError):
        assert name not in MAIN_SCORES[molecule], metric
        assert len(str(metric)) > 20
        assert "\n" not in str(metric)
        return
    scores = made.score(metric, made.drawn)
    assert set(scores) == {score.id for score in metric.scores}
    assert np.isfinite(scores[name]) or name not in MAIN_SCORES[molecule]
    oracle = made.score(metric, np.repeat(made.context.reference.positions[None], metric.minimum_samples, axis=0))
    ranked = [oracle[score.id] for score in metric.scores if score.ranked and name != "calibration"]
    assert {value for value in ranked if not np.isnan(value)} <= {0.0}


def test_every_side_chain_of_an_unusual_molecule_is_looked_at(systems: dict[str, System]) -> None:
    """What tells these molecules from the usual ones is seen: the ring, the centres, selenium and phosphorus."""
    made = systems["unusual residues"]
    topology = made.context.topology
    ring = metric_class("ring_planarity_angstrom").fit(made.context)
    assert [len(atoms) for atoms in ring.rings] == [6]  # type: ignore[attr-defined]
    hands = metric_class("chirality_percent").fit(made.context)
    centres = {str(topology.atom(centre[0])) for centre in hands.centres}  # type: ignore[attr-defined]
    assert centres == {"MSE1-CA", "SEP2-CA", "DAL3-CA", "PTR4-CA", "NLE6-CA"}
    bonds = metric_class("bond_length_w1_angstrom").fit(made.context)
    assert {"C-Se", "O-P"} <= set(bonds.classes)  # type: ignore[attr-defined]
