"""The equivariant temporal model on C-alpha beads of a small peptide: laws, bad input, and that it learns."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from backmapbench.coarse_graining import atom_slice
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import CardError, SubmissionError, UnsupportedTaskError
from backmapbench.reference_models.equivariant_temporal.model import EquivariantTemporal
from backmapbench.reference_models.equivariant_temporal.settings import read_settings
from backmapbench.submissions.protocol import Backmapper, System, TrainableBackmapper, TrainingSet
from backmapbench.tasks import load_task

QUICK = read_settings().model_copy(
    update={"candidates": 4, "escapes": 1, "backbones": 2, "rounds": 1, "first_rounds": 2, "settling_steps": 3}
)
FRAMES = 60  # of each of chignolin's trajectories


@pytest.fixture(scope="module")
def task():
    return load_task("cln-mini-temporal")


@pytest.fixture(scope="module")
def model(task):
    made = EquivariantTemporal(QUICK)
    made.fit(task.system, task.training_set(), 0)
    return made


@pytest.fixture(scope="module")
def beads(task):
    """The first five frames of three trajectories."""
    positions = task.beads("validation").positions.reshape(-1, FRAMES, 10, 3)[:3, :5]
    return Trajectories(np.ascontiguousarray(positions.reshape(-1, 10, 3)), (5, 5, 5), 2.0)


@pytest.fixture(scope="module")
def placed(model, task, beads):
    return model.backmap(task.system, beads, 2, 0)


def test_protocol(model, placed):
    assert isinstance(model, Backmapper)
    assert isinstance(model, TrainableBackmapper)
    assert placed.shape == (2, 15, 175, 3)
    assert placed.dtype == np.float32
    assert np.isfinite(placed).all()


def test_beads_stay_exactly_where_they_are(task, placed, beads):
    assert (placed[:, :, task.system.mapping.slice_atoms] == beads.positions).all()


def test_seed_decides(model, task, beads, placed):
    assert (model.backmap(task.system, beads, 2, 0) == placed).all()
    free = np.setdiff1d(np.arange(175), task.system.mapping.slice_atoms)
    assert (model.backmap(task.system, beads, 1, 1)[0][:, free] != placed[0][:, free]).any(axis=(1, 2)).all()
    assert (placed[0][:, free] != placed[1][:, free]).any(axis=(1, 2)).all()


def test_equivariance(model, task, beads, placed):
    """Fixed turns: rounding of turned beads may, rarely, tip a choice between conformations."""
    for number in range(3):
        rotation = Rotation.random(random_state=number).as_matrix()
        turned = model.backmap(task.system, beads.replace_positions(beads.positions @ rotation), 1, 0)
        np.testing.assert_allclose(turned[0], placed[0] @ rotation, atol=1e-5)


def test_what_runs_beside_a_trajectory_changes_nothing(model, task, beads, placed, monkeypatch):
    monkeypatch.setattr("backmapbench.reference_models.equivariant_temporal.model.TRAJECTORIES_AT_ONCE", 1)
    np.testing.assert_allclose(model.backmap(task.system, beads, 1, 0)[0], placed[0], atol=1e-6)
    first = Trajectories(beads.positions[:5], (5,), 2.0)
    np.testing.assert_allclose(model.backmap(task.system, first, 1, 0)[0], placed[0, :5], atol=1e-6)


def test_shorter_trajectories_beside_longer_ones(model, task, beads, placed):
    uneven = Trajectories(np.concatenate([beads.positions[:5], beads.positions[5:8]]), (5, 3), 2.0)
    drawn = model.backmap(task.system, uneven, 1, 0)[0]
    np.testing.assert_allclose(drawn, np.concatenate([placed[0, :5], placed[0, 5:8]]), atol=1e-6)


def test_no_look_ahead(model, task, beads, placed):
    changed = beads.positions.copy()
    changed[4] = changed[3]
    drawn = model.backmap(task.system, beads.replace_positions(changed), 1, 0)[0]
    np.testing.assert_allclose(drawn[:4], placed[0, :4], atol=1e-6)
    assert np.abs(drawn[4] - placed[0, 4]).max() > 1e-3
    assert not model.info.looks_ahead


def test_local_geometry_is_that_of_training(task, placed):
    """Bond lengths of every kind lie where training frames have them, no chiral centre is inverted."""
    training = task.training_set().train.positions
    pairs = np.array([(first.index, second.index) for first, second in task.system.topology.bonds])
    real, drawn = (
        np.linalg.norm(atoms[..., pairs[:, 0], :] - atoms[..., pairs[:, 1], :], axis=-1).reshape(-1, len(pairs))
        for atoms in (training, placed)
    )
    assert np.abs(drawn.mean(axis=0) - real.mean(axis=0)).max() < 0.005
    assert (drawn > real.min(axis=0) - 0.015).all()
    assert (drawn < real.max(axis=0) + 0.015).all()
    names = {(atom.residue.index, atom.name): atom.index for atom in task.system.topology.atoms}
    centres = [
        [names[residue.index, name] for name in ("CA", "N", "C", "CB")]
        for residue in task.system.topology.residues
        if (residue.index, "CB") in names
    ]
    arms = placed[:, :, np.array(centres)[:, 1:]] - placed[:, :, np.array(centres)[:, :1]]
    volumes = np.einsum("...i,...i->...", arms[..., 0, :], np.cross(arms[..., 1, :], arms[..., 2, :]))
    assert (volumes > 0).all()


def test_a_torsion_remembers(model, task, beads):
    """Slow torsions of one draw stay in their well from frame to frame; of independent frames they do not."""
    decoder = model._fitted.decoder
    slow = [number for number, memory in enumerate(decoder.torsions.memories) if memory.jump <= 0.003]
    assert slow
    alone = Trajectories(beads.positions, beads.lengths, None)
    moved = []
    for given in (beads, alone):
        torsions = decoder.remembered(model.backmap(task.system, given, 1, 3)[0].astype(np.float64))[1][:, slow]
        steps = np.diff(torsions.reshape(3, 5, -1), axis=1)
        moved.append((np.abs(np.angle(np.exp(1j * steps))) > 1.0).mean())
    assert moved[0] < 0.5 * moved[1]


def test_bad_input(model, task, beads):
    system = task.system
    with pytest.raises(SubmissionError, match="not fitted"):
        EquivariantTemporal().backmap(system, beads, 1, 0)
    with pytest.raises(UnsupportedTaskError, match="one frame"):
        model.backmap(system, Trajectories(beads.positions[:3], (2, 1), 2.0), 1, 0)
    with pytest.raises(SubmissionError, match="given 9 beads, fitted with 10"):
        model.backmap(system, Trajectories(beads.positions[:, :9], (5, 5, 5), 2.0), 1, 0)
    holes = beads.positions.copy()
    holes[7, 2] = np.nan
    with pytest.raises(SubmissionError, match="bead of frame 7 is missing"):
        model.backmap(system, beads.replace_positions(holes), 1, 0)
    jump = beads.positions.copy()
    jump[8:, :5] += 3.0
    with pytest.raises(UnsupportedTaskError, match="between frames 2 and 3"):
        model.backmap(system, beads.replace_positions(jump), 1, 0)
    with pytest.raises(SubmissionError, match=r"5\.0 ps apart"):
        model.backmap(system, Trajectories(beads.positions, beads.lengths, 5.0), 1, 0)
    other = task.system.topology.copy()
    other.atom(0).name = "X"
    with pytest.raises(SubmissionError, match="use the system it was fitted on"):
        model.backmap(System(other, system.mapping, 350.0), beads, 1, 0)


def test_chains_that_are_none_are_refused(task):
    system, training = task.system, task.training_set()
    names = [f"{atom.residue.name}{atom.residue.resSeq}:CA" for atom in system.topology.atoms if atom.name == "CA"]
    for chosen, match in ((names[:3], "needs the C-alphas"), (names[:3] + names[4:], "no peptide bond")):
        mapping = atom_slice(system.topology, chosen)
        with pytest.raises(UnsupportedTaskError, match=match):
            EquivariantTemporal(QUICK).fit(System(system.topology, mapping, 350.0), training, 0)


def test_beads_that_are_no_alpha_carbons_use_the_networks(system, training, held_out, monkeypatch):
    """Alanine dipeptide with six named atoms: beads kept, the same errors."""
    from backmapbench.reference_models.ar_internal.model import ArInternal
    from backmapbench.reference_models.ar_internal.settings import read_settings as read_networks

    short = read_networks().model_copy(
        update={"training": read_networks().training.model_copy(update={"steps": 20, "batch": 64})}
    )
    monkeypatch.setattr(
        "backmapbench.reference_models.equivariant_temporal.model.ArInternal", lambda: ArInternal(short)
    )
    model = EquivariantTemporal()
    model.fit(system, training, 0)
    drawn = model.backmap(system, held_out, 1, 0)
    assert (drawn[:, :, system.mapping.slice_atoms] == held_out.positions).all()
    with pytest.raises(UnsupportedTaskError, match="one frame"):
        model.backmap(system, Trajectories(held_out.positions[:1], (1,), held_out.frame_ps), 1, 0)


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(CardError, match="grid"):
        read_settings("grid = 1")


def run_long(model, task, trajectories, frames):
    """``trajectories`` of ``frames``, real beads walked to and fro."""
    real = task.beads("validation").positions.reshape(-1, FRAMES, 10, 3)
    order = np.concatenate([np.arange(FRAMES), np.arange(FRAMES - 2, 0, -1)])
    order = np.tile(order, frames // len(order) + 1)[:frames]
    positions = np.concatenate([real[number % len(real)][order] for number in range(trajectories)])
    return model.backmap(task.system, Trajectories(positions, (frames,) * trajectories, 2.0), 1, 0)[0]


def assert_stable(atoms, task, trajectories):
    """The last tenth of every trajectory is as well made as the first."""
    pairs = np.array([(first.index, second.index) for first, second in task.system.topology.bonds])
    lengths = np.linalg.norm(atoms[:, pairs[:, 0]] - atoms[:, pairs[:, 1]], axis=-1).reshape(trajectories, -1, len(pairs))
    tenth = lengths.shape[1] // 10
    assert np.isfinite(atoms).all()
    assert np.abs(lengths[:, :tenth].mean((0, 1)) - lengths[:, -tenth:].mean((0, 1))).max() < 0.004
    assert lengths.max() < 0.2


def test_stable_over_many_frames(model, task):
    assert_stable(run_long(model, task, 4, 100), task, 4)


@pytest.mark.slow
def test_stable_over_a_hundred_thousand_frames(model, task):
    """20 trajectories of 5000 frames, far beyond any trajectory of training."""
    assert_stable(run_long(model, task, 20, 5000), task, 20)
