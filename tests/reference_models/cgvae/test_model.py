"""The row: training, weights on disk, seeds, atoms by name, and the posterior that only its own code can reach."""

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch

from backmapbench.errors import CardError, SubmissionError
from backmapbench.reference_models.cgvae import delivery
from backmapbench.reference_models.cgvae.delivery import delivered, delivered_path, description_of
from backmapbench.reference_models.cgvae.learner import CgvaeLearner
from backmapbench.reference_models.cgvae.model import Cgvae
from backmapbench.reference_models.cgvae.network import CgvaeNetwork
from backmapbench.reference_models.cgvae.posterior import posterior_folder
from backmapbench.reference_models.cgvae.rows import CgvaeFixed, CgvaeFixedMode, CgvaeLegacy
from backmapbench.reference_models.cgvae.settings import load_preset
from backmapbench.reference_models.cgvae.structure import Structure
from backmapbench.reference_models.training import TrainingRequest, checkpoint
from backmapbench.reference_models.training.delivery import FILE
from backmapbench.reference_models.training.logs import read_log
from backmapbench.submissions import Backmapper, TrainableBackmapper
from backmapbench.submissions.predictions import PredictionFolder, write_input
from backmapbench.submissions.registry import load_model


@pytest.fixture(scope="module")
def run(system, training, changes, tmp_path_factory):
    """A trained model and the folder it left."""
    folder = tmp_path_factory.mktemp("run")
    model = Cgvae("fixed", "nls-mini-ucg-5")
    longer = (*changes, "training.epochs=16", "training.learning_rate=0.01", "loss.graph_weight=0.1")
    result = model.train(system, training, TrainingRequest(None, longer, folder, seed=0))
    return model, result


@pytest.fixture(scope="module")
def beads(system, build):
    atoms = build.frames(system, 6, seed=5)
    return atoms.replace_positions(system.mapping.positions(atoms.positions))


@pytest.fixture(scope="module")
def foreign():
    """Weights of another model of the package."""
    return Path(str(files("backmapbench.reference_models.internal_coordinates"))) / "weights" / "proteins.toml"


def rmsd(found, true):
    return float(np.sqrt(((found - true) ** 2).sum(-1).mean()))


def test_training_beats_bead_centre_on_other_frames_and_the_posterior_beats_the_prior(run, system, build):
    model, result = run
    log = read_log(result.log.parent)
    assert log["loss"][-1] < 0.8 * log["loss"][0]
    atoms = build.frames(system, 20, seed=6)
    beads = atoms.replace_positions(system.mapping.positions(atoms.positions))
    collapsed = beads.positions[:, Structure.of(system).bead]
    prior = rmsd(model.backmap(system, beads, 1, 0)[0], atoms.positions)
    assert prior < 0.95 * rmsd(collapsed, atoms.positions)
    assert rmsd(model.reconstruct(system, atoms, 0), atoms.positions) < 0.9 * prior


def test_samples_differ_seeds_repeat_and_the_mode_is_one(run, system, beads):
    model, result = run
    found = model.backmap(system, beads, 2, 7)
    assert found.shape == (2, 6, system.topology.n_atoms, 3)
    assert found.dtype == np.float32
    assert (found[0] != found[1]).any()
    assert (found == model.backmap(system, beads, 2, 7)).all()
    mode = Cgvae("fixed", temperature=0.0)
    mode.load(system, result.best_weights)
    assert (mode.backmap(system, beads, 1, 1) == mode.backmap(system, beads, 1, 2)).all()
    np.testing.assert_allclose(system.mapping.positions(found[0]), beads.positions, atol=1e-6)


def test_weights_come_back(run, system, beads):
    model, result = run
    again = Cgvae("fixed", weights=result.best_weights, preset="nls-mini-ucg-5")
    again.fit(system, None, 0)
    assert (again.backmap(system, beads, 1, 0) == model.backmap(system, beads, 1, 0)).all()


def test_a_run_leaves_a_door_and_tells_how_it_went(run, system, beads):
    model, result = run
    folder = result.log.parent
    trained, _ = load_model(f"{folder / 'model.py'}:Trained")
    trained.fit(system, None, 0)
    assert trained.info.name == "cgvae-fixed"
    assert (trained.backmap(system, beads, 1, 0) == model.backmap(system, beads, 1, 0)).all()
    training = checkpoint.read(folder / FILE).content["training"]
    assert training["data"] == "40 frames of 84 atoms in 5 beads"
    assert (training["steps"], training["seed"], training["preset"]) == (result.steps, 0, "nls-mini-ucg-5")
    assert training["seconds"] > 0


def test_a_run_of_the_mode_leaves_a_door_to_the_mode(system, training, changes, beads, tmp_path):
    """``legacy`` has no such row."""
    tiny = (*changes, "training.epochs=1")
    for row, doors in ((CgvaeFixedMode(), ["cgvae-fixed", "cgvae-fixed@mode"]), (CgvaeLegacy(), ["cgvae-legacy"])):
        folder = tmp_path / doors[0]
        row.train(system, training, TrainingRequest("nls-mini-ucg-5", tiny, folder, seed=0))
        opened = [load_model(f"{folder / 'model.py'}:{door}")[0] for door in ("Trained", "TrainedMode")[: len(doors)]]
        assert [model.info.name for model in opened] == doors
        opened[-1].fit(system, None, 0)
        assert (opened[-1].backmap(system, beads, 1, 3) == row.backmap(system, beads, 1, 3)).all()
    with pytest.raises(SubmissionError, match="defines no 'TrainedMode'"):
        load_model(f"{tmp_path / 'cgvae-legacy' / 'model.py'}:TrainedMode")


def test_other_files_are_no_weights(run, system, foreign, tmp_path):
    with pytest.raises(SubmissionError, match=r"proteins\.toml: holds no weights of cgvae; give the weights\.toml"):
        CgvaeFixed(foreign).fit(system, None, 0)
    stored = checkpoint.read(run[1].best_weights)
    described = stored.content["description"]["model"]
    for entry in ("behaviour", "structure", "preset"):
        lacking = {key: value for key, value in described.items() if key != entry}
        checkpoint.write(tmp_path / "w.toml", stored.tensors, {"description": {"model": lacking}})
        with pytest.raises(SubmissionError, match="holds no weights of cgvae"):
            description_of(tmp_path / "w.toml")
    checkpoint.write(tmp_path / "w.toml", stored.tensors, {"description": {"model": described | {"behaviour": "new"}}})
    with pytest.raises(SubmissionError, match="behaviour 'new' is none of legacy, fixed"):
        description_of(tmp_path / "w.toml")
    narrow = described["preset"] | {"model": described["preset"]["model"] | {"width": 0}}
    checkpoint.write(tmp_path / "w.toml", stored.tensors, {"description": {"model": described | {"preset": narrow}}})
    with pytest.raises(CardError, match=r"w\.toml: model\.width"):
        description_of(tmp_path / "w.toml")


def test_delivered_weights_fit_the_structure_and_the_seed(system, run, monkeypatch, tmp_path):
    _, result = run
    print_ = Structure.of(system).fingerprint
    monkeypatch.setattr(delivery, "files", lambda _: tmp_path)
    stored = checkpoint.read(result.log.parent / FILE)
    checkpoint.write(delivered_path("fixed", "nls-mini-ucg-5", print_, 3), stored.tensors, stored.content)
    assert delivered("fixed", "nls-mini-ucg-5", print_, 3) is not None
    for other in (("legacy", "nls-mini-ucg-5", print_, 3), ("fixed", "nls-mini-ucg-5", print_, 4)):
        assert delivered(*other) is None
    model = Cgvae("fixed", "nls-mini-ucg-5")
    model.fit(system, None, 3)  # training without frames would fail


def test_the_weight_of_the_divergence_grows(system, training, changes):
    preset = load_preset("nls-mini-ucg-5", (*changes, "loss.kl_warm_up=4"))
    network = CgvaeNetwork(preset, "fixed", Structure.of(system))
    learner = CgvaeLearner(network, training, "")
    draw = learner.draw(torch.arange(2), torch.Generator().manual_seed(0), training=True)
    terms = [learner.losses(network, draw, step) for step in (0, 2, 4, 9)]
    whole, weight = terms[-1], preset.loss.kl_weight
    for share, found in zip((0.0, 0.5, 1.0), terms, strict=False):
        lacking = (1 - share) * weight * whole["divergence"]
        torch.testing.assert_close(found["loss"], whole["loss"] - lacking)


def test_a_search_is_refused(system, training, tmp_path):
    with pytest.raises(SubmissionError, match=r"no .search. table"):
        Cgvae("fixed", "nls-mini-ucg-5").train(system, training, TrainingRequest(None, (), tmp_path, 0, trials=2))


def test_atoms_are_known_by_name(run, system, build, beads):
    model, _ = run
    shuffled = build.system(build.topology(15, shuffled=3), 5)
    place = {str(atom): atom.index for atom in shuffled.topology.atoms}
    order = [place[str(atom)] for atom in system.topology.atoms]
    assert order != sorted(order)
    found = model.backmap(shuffled, beads, 1, 0)
    np.testing.assert_allclose(found[:, :, order], model.backmap(system, beads, 1, 0), atol=1e-6)


def test_other_systems_are_refused(run, build, beads, tmp_path):
    model, result = run
    with pytest.raises(SubmissionError, match="fitted with 84 in 5"):
        model.backmap(build.system(build.topology(15), 4), beads, 1, 0)
    with pytest.raises(SubmissionError, match="not fitted"):
        CgvaeFixed().backmap(build.system(build.topology(15), 5), beads, 1, 0)
    with pytest.raises(SubmissionError, match="weights of cgvae-fixed"):
        Cgvae("legacy").load(build.system(build.topology(15), 5), result.best_weights)


def test_a_killed_run_follows_the_same_course(system, training, changes, tmp_path):
    short = (*changes, "training.schedule=plateau", "training.epochs=3")

    class KilledError(Exception):
        pass

    def kill(done, total, losses):
        if done == 12:
            raise KilledError

    whole = Cgvae("fixed", "nls-mini-ucg-5").train(
        system, training, TrainingRequest(None, short, tmp_path / "whole", seed=1)
    )
    with pytest.raises(KilledError):
        Cgvae("fixed", "nls-mini-ucg-5").train(
            system, training, TrainingRequest(None, short, tmp_path / "cut", seed=1), kill
        )
    resumed = Cgvae("fixed", "nls-mini-ucg-5").train(
        system, training, TrainingRequest(None, short, tmp_path / "cut", seed=1)
    )
    logs = read_log(whole.log.parent), read_log(resumed.log.parent)
    assert logs[0]["loss"] == logs[1]["loss"]
    assert logs[0]["rate"] == logs[1]["rate"]


def test_rows_are_backmappers_of_their_own():
    rows = [CgvaeLegacy(), CgvaeFixed(), CgvaeFixedMode()]
    assert [row.info.name for row in rows] == ["cgvae-legacy", "cgvae-fixed", "cgvae-fixed@mode"]
    for row in rows:
        assert isinstance(row, Backmapper)
        assert isinstance(row, TrainableBackmapper)
        assert row.info.deterministic == (row.temperature == 0)


class TestPosterior:
    @pytest.fixture
    def folder(self, system, build, tmp_path):
        self.atoms = build.frames(system, 6, seed=5)
        beads = self.atoms.replace_positions(system.mapping.positions(self.atoms.positions))
        write_input(tmp_path, system, beads, "some-task")
        return tmp_path

    def test_it_is_a_labelled_folder_of_predictions(self, run, system, folder):
        model, result = run
        moved = self.atoms.replace_positions(self.atoms.positions + np.float32([1.0, 2.0, 3.0]))
        posterior_folder(folder, system.topology, moved, result.best_weights, 300.0, seed=0)
        row = PredictionFolder(folder)
        assert row.info.name == "cgvae-fixed-posterior"
        assert row.info.description.startswith("READS THE ANSWER")
        assert row.info.description.endswith("latents from the posterior.")
        assert "prior" not in row.info.description.replace("posterior", "")
        assert row.task == "some-task"
        beads = self.atoms.replace_positions(system.mapping.positions(self.atoms.positions))
        found = row.backmap(system, beads, 1, 0)
        np.testing.assert_allclose(system.mapping.positions(found[0]), beads.positions, atol=1e-5)
        np.testing.assert_allclose(found[0], model.reconstruct(system, self.atoms, 0), atol=1e-4)

    def test_atoms_of_other_frames_are_refused(self, run, system, build, folder):
        other = build.frames(system, 6, seed=9)
        with pytest.raises(SubmissionError, match="other frames"):
            posterior_folder(folder, system.topology, other, run[1].best_weights, 300.0, seed=0)

    def test_weights_of_another_model_are_refused(self, system, folder, foreign):
        with pytest.raises(SubmissionError, match=r"proteins\.toml: holds no weights of cgvae; give the weights\.toml"):
            posterior_folder(folder, system.topology, self.atoms, foreign, 300.0, seed=0)
