import numpy as np
import pytest
import torch

from backmapbench.errors import CardError, SubmissionError, UnknownNameError
from backmapbench.reference_models.internal_coordinates.model import InternalCoordinates
from backmapbench.reference_models.internal_coordinates.settings import load_preset, presets
from backmapbench.reference_models.internal_coordinates.weights import FILE, delivered, read_weights
from backmapbench.reference_models.training import PresetTrainable, TrainingRequest, checkpoint
from backmapbench.submissions.registry import load_model

SMALL = (
    "data.datasets=[]",
    "data.examples=24",
    "network.width=16",
    "training.batch=4",
    "training.steps=12",
    "training.log_every=6",
    "training.validate_every=6",
    "training.validation_batches=2",
)


@pytest.fixture(scope="module")
def trained(villin_set, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    model = InternalCoordinates()
    result = model.train(*villin_set, TrainingRequest(None, SMALL, folder))
    return model, result, folder


def test_training_lowers_the_loss_of_held_out_frames(trained):
    _, result, _ = trained
    first, *_, last = (line.split(",") for line in result.log.read_text().splitlines()[1:])
    columns = result.log.read_text().splitlines()[0].split(",")
    assert float(last[columns.index("validation_loss")]) < float(first[columns.index("validation_loss")])
    assert result.steps == 12


def test_a_trained_model_backmaps_and_its_door_opens_to_the_same(trained, villin, beads_of):
    model, _, folder = trained
    system, frames = villin
    beads = beads_of(system, frames.pick(np.arange(2)))
    other, _ = load_model(f"{folder}/model.py:Trained")
    other.fit(system, None, 0)
    np.testing.assert_array_equal(other.backmap(system, beads, 1, 0), model.backmap(system, beads, 1, 0))
    mode, _ = load_model(f"{folder}/model.py:TrainedMode")
    assert mode.info.name == "internal-coordinates@mode"


def test_the_same_seed_gives_the_same_weights(trained, villin_set, tmp_path):
    _, _, folder = trained
    InternalCoordinates().train(*villin_set, TrainingRequest(None, SMALL, tmp_path))
    first, again = (read_weights(place / FILE).network.state_dict() for place in (folder, tmp_path))
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_a_finished_run_is_not_run_again(trained, villin_set):
    _, result, folder = trained
    before = result.log.read_bytes()
    again = InternalCoordinates().train(*villin_set, TrainingRequest(None, SMALL, folder))
    assert again.seconds == result.seconds
    assert result.log.read_bytes() == before


def test_weights_say_how_they_were_made(trained):
    _, result, folder = trained
    training = checkpoint.read(folder / FILE).content["training"]
    assert training["steps"] == 12
    assert training["seed"] == 0
    assert training["changes"] == list(SMALL)
    assert training["data"][0].startswith("40 frames of Leu-Ser-Asp")
    assert training["seconds"] == pytest.approx(result.seconds, abs=0.1)


def test_it_is_trained_by_presets():
    assert isinstance(InternalCoordinates(), PresetTrainable)
    assert all(load_preset(name).training.engine().steps for name in presets())


def test_delivered_weights_are_small_and_say_how_they_were_made():
    path = delivered()
    size = sum(part.stat().st_size for part in path.parent.glob("*.safetensors"))
    assert size < 3e6
    training = read_weights(path).training
    assert training["seconds"] > 0
    assert {"preset", "seed", "steps", "machine"} <= training.keys()


def test_bad_requests_are_refused(villin_set, tmp_path):
    with pytest.raises(UnknownNameError, match="preset"):
        InternalCoordinates().train(*villin_set, TrainingRequest("protein", (), tmp_path))
    with pytest.raises(CardError, match=r"network\.width"):
        InternalCoordinates().train(*villin_set, TrainingRequest(None, ("network.width=0",), tmp_path))
    with pytest.raises(SubmissionError, match="search"):
        InternalCoordinates().train(*villin_set, TrainingRequest(None, (), tmp_path, trials=3))


def test_a_checkpoint_of_the_run_is_no_weights(trained):
    _, _, folder = trained
    with pytest.raises(SubmissionError, match="holds no weights"):
        read_weights(folder / "last.toml")
