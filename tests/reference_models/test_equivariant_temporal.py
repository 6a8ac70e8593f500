"""The equivariant temporal model on C-alpha beads of a small peptide: laws, bad input, and that it learns."""

import re
from importlib.resources import files

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
    update={
        "grid": 36,
        "smoothing_degrees": (4.5,),
        "candidates": 4,
        "escapes": 1,
        "backbones": 2,
        "rounds": 1,
        "most_rounds": 2,
        "rollouts": 1,
        "rollout_trajectories": 3,
        "rollout_frames": 3,
        "settling_steps": 8,
    }
)
FRAMES = 60  # of each of chignolin's trajectories


@pytest.fixture(scope="module")
def task():
    return load_task("cln-mini-temporal")


@pytest.fixture(scope="module")
def model(task):
    made = EquivariantTemporal(QUICK)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("backmapbench.reference_models.equivariant_temporal.decoder.FRAMES_COMPARED", 50)
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
    for number in range(2):
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
    inside = (drawn > real.min(axis=0) - 0.005) & (drawn < real.max(axis=0) + 0.005)
    assert inside.mean() > 0.99
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
    slow = np.flatnonzero(decoder.torsions.memories.jump[:, 0] <= 0.003)
    assert len(slow)
    alone = Trajectories(beads.positions, beads.lengths, None)
    moved = []
    for given in (beads, alone):
        torsions = decoder.remembered(model.backmap(task.system, given, 1, 3)[0].astype(np.float64)).torsions[:, slow]
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


@pytest.fixture(scope="module")
def dense(system, training):
    """Of alanine dipeptide with six named atoms, which takes the networks."""
    from backmapbench.reference_models.ar_internal.settings import read_settings as read_networks

    short = read_networks().model_copy(
        update={"training": read_networks().training.model_copy(update={"steps": 100, "batch": 64})}
    )
    made = EquivariantTemporal()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("backmapbench.reference_models.equivariant_temporal.model._dense", lambda _: short)
        made.fit(system, training, 0)
    return made


def test_beads_that_are_no_alpha_carbons_use_the_networks(dense, system, held_out):
    drawn = dense.backmap(system, held_out, 1, 0)
    assert (drawn[:, :, system.mapping.slice_atoms] == held_out.positions).all()
    with pytest.raises(UnsupportedTaskError, match="one frame"):
        dense.backmap(system, Trajectories(held_out.positions[:1], (1,), held_out.frame_ps), 1, 0)


def test_errors_of_the_networks_name_this_model(system, training):
    two = System(system.topology, atom_slice(system.topology, ["ACE1:C", "ALA2:N"]), 300.0)
    with pytest.raises(UnsupportedTaskError, match=r"^equivariant-temporal: needs three or more beads"):
        EquivariantTemporal().fit(two, training, 0)
    still = Trajectories(np.repeat(training.train.positions[:1], 10, axis=0), (10,), 1.0)
    with pytest.raises(SubmissionError, match=r"^equivariant-temporal: no atom moves"):
        EquivariantTemporal().fit(system, TrainingSet(still, still), 0)


@pytest.mark.parametrize("number", range(3))
def test_equivariance_of_the_networks(number, dense, system, held_out):
    """Fixed turns: rounding of turned beads may, rarely, pick another component of a mixture."""
    turn = Rotation.random(random_state=number).as_matrix()
    turned = dense.backmap(system, held_out.replace_positions(held_out.positions @ turn), 1, 0)
    np.testing.assert_allclose(turned, dense.backmap(system, held_out, 1, 0) @ turn, atol=1e-5)


def test_what_runs_beside_a_trajectory_of_the_networks_changes_nothing(dense, system, held_out, monkeypatch):
    placed = dense.backmap(system, held_out, 2, 0)
    np.testing.assert_allclose(dense.backmap(system, held_out, 1, 0)[0], placed[0], atol=1e-5)
    first = Trajectories(held_out.positions[:30], (30,), held_out.frame_ps)
    np.testing.assert_allclose(dense.backmap(system, first, 2, 0), placed[:, :30], atol=1e-5)
    monkeypatch.setattr("backmapbench.reference_models.ar_internal.sampling.SEQUENCES_AT_ONCE", 1)
    np.testing.assert_allclose(dense.backmap(system, held_out, 2, 0), placed, atol=1e-5)


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(CardError, match="grid"):
        read_settings("grid = 1")
    text = (files("backmapbench.reference_models.equivariant_temporal") / "settings.toml").read_text(encoding="utf-8")
    escapes = re.search(r"^escapes = 2\b", text, re.MULTILINE)
    with pytest.raises(CardError, match="escapes 17 are among the candidates, of which there are 16"):
        read_settings(text.replace(escapes[0], "escapes = 17"))
    assert read_settings(text.replace(escapes[0], "escapes = 16")).escapes == 16


def to_and_fro(positions, frames):
    """Real beads (n, beads, 3) walked forwards and backwards, without a jump, up to ``frames``."""
    order = np.concatenate([np.arange(len(positions)), np.arange(len(positions) - 2, 0, -1)])
    return positions[np.tile(order, frames // len(order) + 1)[:frames]]


def bond_lengths(topology, atoms):
    pairs = np.array([(first.index, second.index) for first, second in topology.bonds])
    return np.linalg.norm(atoms[..., pairs[:, 0], :] - atoms[..., pairs[:, 1], :], axis=-1)


def assert_no_drift(model, task, beads, drawn, tolerance):
    """Beads exact; bonds and contacts of every trajectory's last tenth as in its first."""
    trajectories, frames = len(beads.lengths), beads.lengths[0]
    assert (drawn[:, task.system.mapping.slice_atoms] == beads.positions).all()
    assert np.isfinite(drawn).all()
    atoms = drawn.reshape(trajectories, frames, -1, 3).astype(np.float64)
    tenth = frames // 10
    first, last = atoms[:, :tenth].reshape(-1, *atoms.shape[2:]), atoms[:, -tenth:].reshape(-1, *atoms.shape[2:])
    lengths = [bond_lengths(task.system.topology, part) for part in (first, last)]
    assert np.abs(lengths[0].mean(0) - lengths[1].mean(0)).max() < tolerance
    assert np.quantile(lengths[1], 0.999) < np.quantile(lengths[0], 0.999) + 0.01
    energies = [model._fitted.decoder.contacts.within(np.arange(atoms.shape[2]), part) for part in (first, last)]
    spread = np.subtract(*np.quantile(energies[0], [0.84, 0.16])) / 2
    assert abs(np.median(energies[1]) - np.median(energies[0])) < spread


def walked(task, trajectories, frames):
    real = task.beads("validation").positions.reshape(-1, FRAMES, 10, 3)
    positions = np.concatenate([to_and_fro(real[number % len(real)], frames) for number in range(trajectories)])
    return Trajectories(positions, (frames,) * trajectories, 2.0)


def test_stable_over_many_frames(model, task):
    beads = walked(task, 2, 40)
    assert_no_drift(model, task, beads, model.backmap(task.system, beads, 1, 0)[0], 0.006)


@pytest.mark.slow
def test_stable_over_twenty_thousand_frames(model, task):
    """20 trajectories of 1000 frames, far beyond any trajectory of training."""
    beads = walked(task, 20, 1000)
    assert_no_drift(model, task, beads, model.backmap(task.system, beads, 1, 0)[0], 0.002)


@pytest.mark.slow
def test_stable_over_a_hundred_thousand_frames_of_alanine_dipeptide():
    """One trajectory of 100 000 frames: beads exact, bonds and hidden torsions of the last tenth as in the first."""
    task = load_task("adp-mini-temporal")
    model = EquivariantTemporal()
    model.fit(task.system, task.training_set(), 0)
    scored = task.beads("test")
    beads = Trajectories(to_and_fro(scored.positions[scored.slices[0]], 100_000), (100_000,), scored.frame_ps)
    drawn = model.backmap(task.system, beads, 1, 0)[0]
    assert (drawn[:, task.system.mapping.slice_atoms] == beads.positions).all()
    lengths = bond_lengths(task.system.topology, drawn)
    assert np.abs(lengths[:10_000].mean(0) - lengths[-10_000:].mean(0)).max() < 2e-4
    assert lengths.max() < 1.1 * bond_lengths(task.system.topology, task.training_set().train.positions).max()
    steps = np.linalg.norm(np.diff(drawn, axis=0), axis=-1)
    assert steps[-10_000:].mean() == pytest.approx(steps[:10_000].mean(), rel=0.03)
