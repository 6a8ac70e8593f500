"""The voxel cVAE and its twin as backmappers: laws, seed frames, weights, refusals."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from backmapbench.coarse_graining import atom_slice
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import SubmissionError, UnsupportedTaskError
from backmapbench.metrics.force_field import PotentialEnergy
from backmapbench.reference_models.temporal_cvae.fitting import FILE, default_preset
from backmapbench.reference_models.temporal_cvae.model import FrameCvae, TemporalCvae
from backmapbench.reference_models.temporal_cvae.rollout import Sampler
from backmapbench.reference_models.temporal_cvae.seeds import SeedFrames
from backmapbench.reference_models.training import PresetTrainable, TrainingRequest
from backmapbench.reference_models.training.logs import read_log
from backmapbench.submissions.protocol import System, TrainableBackmapper, TrainingSet
from backmapbench.submissions.registry import load_model
from backmapbench.tasks import load_task

SHORT = (
    "network.encoder=4",
    "network.decoder=4",
    "network.latent=8",
    "training.steps=30",
    "training.mini_batch=8",
    "training.log_every=10",
    "training.validate_every=30",
    "training.checkpoint_every=30",
    "training.validation_batches=1",
    "energy.start=20",
    "energy.steps=5",
    "inference.pairs=200",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("trained")


@pytest.fixture(scope="module")
def model(system, training, folder):
    made = TemporalCvae()
    made.train(system, training, TrainingRequest("adp-small", SHORT, folder))
    return made


@pytest.fixture(scope="module")
def twin(system, training, tmp_path_factory):
    made = FrameCvae()
    made.train(system, training, TrainingRequest(None, SHORT, tmp_path_factory.mktemp("twin")))
    return made


@pytest.fixture(scope="module")
def placed(model, system, held_out):
    return model.backmap(system, held_out, 2, 0)


def test_protocol(model, placed):
    assert isinstance(model, TrainableBackmapper)
    assert isinstance(model, PresetTrainable)
    assert model.presets() == ("adp-paper", "adp-small", "cln-paper", "cln-small")
    assert placed.shape == (2, 50, 22, 3)
    assert placed.dtype == np.float32
    assert np.isfinite(placed).all()


def test_losses_fall_and_energy_sets_in(model, folder):
    log = read_log(folder)
    assert log["coordinates"][2] < 0.7 * log["coordinates"][0]
    assert log["energy"][0] == log["energy"][1] == 0
    assert log["energy"][2] > 0
    assert max(log["beads"]) < 1e-10


def test_beads_are_held(placed, system, held_out):
    beads = system.mapping.positions(placed)
    np.testing.assert_allclose(beads, np.broadcast_to(held_out.positions, beads.shape), atol=2e-6)


def test_seed_decides(model, placed, system, held_out):
    assert (model.backmap(system, held_out, 2, 0) == placed).all()
    assert (model.backmap(system, held_out, 1, 1)[0] != placed[0]).any(axis=(1, 2)).all()
    assert (placed[0] != placed[1]).any(axis=(1, 2)).all()


@pytest.mark.parametrize("kind", ["model", "twin"])
def test_batches_change_rounding_alone(kind, request, system, held_out, monkeypatch):
    made = request.getfixturevalue(kind)
    whole = made.backmap(system, held_out, 2, 0)
    kept = Sampler.__init__

    def single(self, *args, **kwargs):
        kept(self, *args, **(kwargs | {"rows": 3}))

    monkeypatch.setattr(Sampler, "__init__", single)
    np.testing.assert_allclose(made.backmap(system, held_out, 2, 0), whole, atol=1e-4)


def test_trajectories_do_not_touch_each_other(model, placed, system, held_out):
    first = Trajectories(held_out.positions[:30], (30,), 1.0)
    np.testing.assert_allclose(model.backmap(system, first, 1, 0)[0], placed[0, :30], atol=1e-4)


def test_turned_beads_give_turned_atoms(model, placed, system, held_out):
    """Frames are turned onto reference beads, so this holds exactly but for rounding."""
    turn = Rotation.from_rotvec([0.3, -1.2, 2.0]).as_matrix()
    moved = held_out.replace_positions(held_out.positions @ turn + [0.1, 2.0, -0.3])
    np.testing.assert_allclose(model.backmap(system, moved, 2, 0), placed @ turn + [0.1, 2.0, -0.3], atol=1e-3)


def test_no_look_ahead_and_the_past_counts(model, twin, system, held_out):
    changed = held_out.positions.copy()
    changed[15:20] = changed[5:10]
    cut = held_out.replace_positions(changed)
    for made in (model, twin):
        one, other = (made.backmap(system, beads, 1, 0)[0] for beads in (held_out, cut))
        np.testing.assert_allclose(one[:15], other[:15], atol=1e-5)
        assert (
            np.abs(one[20] - other[20]).max() > 1e-6 if made is model else (np.abs(one[20:] - other[20:]) < 1e-5).all()
        )


def test_published_preset_runs(system, training, held_out, tmp_path):
    """Faithful read-out and own origins: the beads' centroid is that of the input, and no more is promised."""
    changes = [change for change in SHORT if "steps" not in change and "every" not in change]
    changes += ["training.steps=2", "grid.cells=8", "training.validation_batches=1", "energy.start=1"]
    made = TemporalCvae()
    made.train(system, training, TrainingRequest("adp-paper", tuple(changes), tmp_path))
    atoms = made.backmap(system, held_out, 1, 0)[0]
    beads = system.mapping.positions(atoms)
    np.testing.assert_allclose(beads.mean(1), held_out.positions.mean(1), atol=1e-6)
    assert np.isfinite(read_log(tmp_path)["loss"]).all()
    # Nothing turns these frames, so their grid is a cube to them: its corners are farther out than its faces.
    wide = np.repeat(held_out.positions[:1] * 0.01, 2, axis=0)
    wide[:, 0] = [1.4 * 0.7875, 0, 0]
    with pytest.raises(UnsupportedTaskError, match=r"centroid along an axis, off the grid that ends at 0\.787 nm"):
        made.backmap(system, Trajectories(wide, (2,), 1.0), 1, 0)
    wide = (wide @ diagonal()).astype(np.float32)
    assert made.backmap(system, Trajectories(wide, (2,), 1.0), 1, 0).shape == (1, 2, 22, 3)


def diagonal():
    """Rotation of the first axis onto the diagonal of a cube."""
    return Rotation.align_vectors([[1, 1, 1]], [[1, 0, 0]])[0].as_matrix().T


@pytest.mark.parametrize("number", range(4))
def test_how_beads_are_turned_does_not_decide_whether_the_grid_holds_them(number, twin, system, held_out):
    """This preset turns frames onto its reference: the distance from the centroid counts, as in training."""
    centred = held_out.positions[:3] - held_out.positions[:3].mean(1, keepdims=True)
    reach = np.linalg.norm(centred, axis=-1).max()
    turn = Rotation.random(random_state=number).as_matrix()
    inside, outside = (
        Trajectories((centred * factor * 0.546875 / reach @ turn).astype(np.float32), (3,), None)
        for factor in (0.999, 1.001)
    )
    assert np.isfinite(twin.backmap(system, inside, 1, 0)).all()
    with pytest.raises(UnsupportedTaskError, match=r"lies 0\.547 nm from the beads' centroid, off the grid"):
        twin.backmap(system, outside, 1, 0)


def test_weights_come_back_and_enter_by_the_common_door(model, placed, folder, system, training, held_out):
    loaded = TemporalCvae(folder / FILE)
    loaded.fit(system, training, 99)
    assert (loaded.backmap(system, held_out, 2, 0) == placed).all()
    stranger, _ = load_model(f"{folder / 'model.py'}:Trained")
    stranger.fit(system, training, 0)
    assert (stranger.backmap(system, held_out, 2, 0) == placed).all()


def test_weights_of_another_system_are_refused(folder, model, system, training):
    beads = ["ACE1:C", "ALA2:N", "ALA2:CA", "ALA2:CB", "ALA2:C", "NME3:C"]
    other = System(system.topology, atom_slice(system.topology, beads), system.temperature_K)
    with pytest.raises(SubmissionError, match=r"weights of another system or model \(beads_sha256 was"):
        TemporalCvae(folder / FILE).fit(other, training, 0)
    with pytest.raises(SubmissionError, match="model was temporal-cvae, now frame-cvae"):
        FrameCvae(folder / FILE).fit(system, training, 0)
    slow = replace(training, train=Trajectories(training.train.positions, training.train.lengths, 2.0))
    with pytest.raises(SubmissionError, match=r"frame_ps was 1\.0, now 2\.0"):
        TemporalCvae(folder / FILE).fit(system, slow, 0)
    with pytest.raises(SubmissionError, match="no trained weights but 'training'"):
        TemporalCvae(folder / "last.toml").fit(system, training, 0)


def test_seed_frame_precedes_the_nearest(system, training):
    """Beads of a training frame, turned: the seed is the frame before it, turned alike; first frames have none."""
    seeds = SeedFrames(system, training)
    turn = Rotation.from_rotvec([1.0, 0.2, -0.4]).as_matrix()
    atoms = training.train.positions
    beads = system.mapping.positions(atoms[[1, 700, 1001]]) @ turn
    found = seeds.before(np.asarray(beads, dtype=np.float64))
    for frame, seed in zip((0, 699, 1000), found, strict=True):
        np.testing.assert_allclose(seed, atoms[frame] @ turn, atol=2e-3)
    first = seeds.before(np.asarray(system.mapping.positions(atoms[1000:1001]), dtype=np.float64))
    assert np.isfinite(first).all()


def test_bad_input_is_refused(model, system, held_out, training):
    def refuses(beads, message, error=UnsupportedTaskError):
        with pytest.raises(error, match=message):
            model.backmap(system, beads, 1, 0)

    positions = held_out.positions
    far = positions.copy()
    far[7, 2] += 2.0
    refuses(
        held_out.replace_positions(far),
        "a bead of frame 7 lies .* nm from the beads' centroid, off the grid that ends at 0.547 nm",
    )
    holes = positions.copy()
    holes[[9, 12], 3, 1] = np.nan, np.inf
    refuses(held_out.replace_positions(holes), "temporal-cvae: a bead of frame 9 is missing", SubmissionError)
    bent = positions.copy()
    bent[33] *= 0.02
    refuses(
        held_out.replace_positions(bent),
        "in trajectory 1 the distance of two beads changes by .* frames (2 and 3|3 and 4), more",
    )
    missing = Trajectories(positions[:, :5], held_out.lengths, 1.0)
    refuses(missing, "given 22 atoms in 5 beads, trained with 22 in 6", SubmissionError)
    refuses(Trajectories(positions, (49, 1), 1.0), "given a trajectory of one frame")
    refuses(Trajectories(positions, held_out.lengths, None), "given independent frames; use frame-cvae")
    refuses(Trajectories(positions, held_out.lengths, 2.0), "beads are 2.0 ps apart, the training frames 1.0 ps")
    with pytest.raises(SubmissionError, match="not fitted"):
        TemporalCvae().backmap(system, held_out, 1, 0)


def test_unfit_training_data_are_refused(system, training):
    single = Trajectories(training.train.positions, (1,) * len(training.train), 1.0)
    with pytest.raises(UnsupportedTaskError, match="no trajectory of the training split has two frames"):
        TemporalCvae().fit(system, TrainingSet(single, training.validation), 0)
    independent = Trajectories(training.train.positions, training.train.lengths, None)
    with pytest.raises(UnsupportedTaskError, match="the task has independent frames; use frame-cvae"):
        TemporalCvae().fit(system, TrainingSet(independent, training.validation), 0)


def test_without_weights_the_command_is_named(system, training):
    with pytest.raises(UnsupportedTaskError, match=r"no weights for this task .* `backmapbench train frame-cvae"):
        FrameCvae().fit(system, training, 0)


@pytest.mark.parametrize("kind", [TemporalCvae, FrameCvae])
@pytest.mark.parametrize(
    ("name", "frames", "shortest", "longest"),
    # Chignolin's weights are of a short training, which leaves bonds ill kept.
    [("adp-mini-temporal", 20, 0.05, 0.25), ("cln-mini-temporal", 4, 0.01, 0.4)],
)
def test_weights_that_come_with_the_package(kind, name, frames, shortest, longest):
    task = load_task(name)
    model = kind()
    model.fit(task.system, task.training_set(), 0)
    beads = task.beads("test")
    part = Trajectories(beads.positions[:frames], (frames,), beads.frame_ps)
    atoms = model.backmap(task.system, part, 2, 0)
    assert atoms.shape == (2, frames, task.system.topology.n_atoms, 3)
    np.testing.assert_allclose(task.system.mapping.positions(atoms[0]), part.positions, atol=1e-5)
    bonds = np.array([(first.index, second.index) for first, second in task.system.topology.bonds])
    lengths = np.linalg.norm(np.diff(atoms[:, :, bonds], axis=3)[..., 0, :], axis=-1)
    assert lengths.min() > shortest
    assert lengths.max() < longest


def test_molecule_off_the_grid_is_refused(system, training, tmp_path):
    wide = training.train.replace_positions(training.train.positions * 3)
    large = TrainingSet(wide, training.validation)
    assert default_preset(system, training) == "adp-small"
    assert default_preset(system, large) == "cln-small"
    with pytest.raises(
        UnsupportedTaskError, match=r"beyond the grid's outermost point at 0\.547 nm; raise grid\.width_nm"
    ):
        TemporalCvae().train(system, large, TrainingRequest("adp-small", SHORT, tmp_path))
    with pytest.raises(UnsupportedTaskError, match="larger than the grids"):
        default_preset(system, TrainingSet(training.train.replace_positions(wide.positions * 3), training.validation))


def test_twin_takes_independent_frames(twin, system, held_out):
    loose = Trajectories(held_out.positions, held_out.lengths, None)
    assert (twin.backmap(system, loose, 1, 0) == twin.backmap(system, held_out, 1, 0)).all()


def test_energy_is_the_boards(system, training):
    """The force field that the loss uses, built from the topology alone, is the one that the task scores with."""
    from importlib.resources import files

    import torch

    from backmapbench.reference_models.temporal_cvae.energy import force_field

    path = str(files("backmapbench.datasets") / "recipes" / "ace-ala-nme.pdb")
    frames = training.train.positions[:20].astype(np.float64)
    field = force_field(system, training.train.positions[0], ["amber99sbildn.xml"])
    expected = PotentialEnergy(path, ("amber99sbildn.xml",))(frames)
    np.testing.assert_allclose(field(torch.from_numpy(frames)).numpy(), expected, rtol=1e-6)
