import numpy as np
import pytest
import torch

from backmapbench.errors import CardError, SubmissionError, UnknownNameError, UnsupportedTaskError
from backmapbench.reference_models.chain_flow.model import ChainFlow
from backmapbench.reference_models.chain_flow.settings import load_preset, presets
from backmapbench.reference_models.chain_flow.weights import FILE, delivered, read_weights
from backmapbench.reference_models.training import PresetTrainable, TrainingRequest, checkpoint
from backmapbench.submissions.registry import load_model

SMALL = (
    "data.datasets=[]",
    "data.examples=24",
    "data.repeats=1",
    "network.scalars=16",
    "network.vectors=4",
    "network.heads=2",
    "network.layers=2",
    "sampling.steps=4",
    "sampling.settling=20",
    "sampling.redraws=0",
    "training.batch=4",
    "training.steps=12",
    "training.log_every=6",
    "training.validate_every=6",
    "training.validation_batches=2",
)


@pytest.fixture(scope="module")
def trained(villin_set, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    model = ChainFlow()
    result = model.train(*villin_set, TrainingRequest(None, SMALL, folder))
    return model, result, folder


def columns(path):
    names, *rows = (line.split(",") for line in path.read_text().splitlines())
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def test_training_lowers_the_loss_of_held_out_frames(trained):
    _, result, _ = trained
    losses = [float(value) for value in columns(result.log)["validation_loss"]]
    assert losses[-1] < losses[0]
    assert result.steps == 12


def test_a_trained_model_backmaps_and_its_door_opens_to_the_same(trained, villin_set, beads_of):
    model, _, folder = trained
    system, training = villin_set
    beads = beads_of(system, training.train.pick(np.arange(2)))
    other, _ = load_model(f"{folder}/model.py:Trained")
    other.fit(system, None, 0)
    np.testing.assert_array_equal(other.backmap(system, beads, 1, 0), model.backmap(system, beads, 1, 0))
    mode, _ = load_model(f"{folder}/model.py:TrainedMode")
    assert mode.info.name == "chain-flow@mode"


def test_a_run_that_was_stopped_goes_on_to_the_same_weights(trained, villin_set, tmp_path):
    _, _, folder = trained

    class KilledError(Exception):
        pass

    def kill(step, *_):
        if step == 9:
            raise KilledError

    with pytest.raises(KilledError):
        ChainFlow().train(*villin_set, TrainingRequest(None, SMALL, tmp_path), kill)
    result = ChainFlow().train(*villin_set, TrainingRequest(None, SMALL, tmp_path))
    assert result.steps == 12
    first, again = (read_weights(place / FILE).network.state_dict() for place in (folder, tmp_path))
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_another_seed_gives_other_weights(trained, villin_set, tmp_path):
    _, _, folder = trained
    ChainFlow().train(*villin_set, TrainingRequest(None, (*SMALL, "training.steps=6"), tmp_path, seed=1))
    first, other = (read_weights(place / FILE).network.state_dict() for place in (folder, tmp_path))
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_weights_say_how_they_were_made(trained):
    _, result, folder = trained
    training = checkpoint.read(folder / FILE).content["training"]
    assert training["steps"] == 12
    assert training["seed"] == 0
    assert training["changes"] == list(SMALL)
    assert training["data"][0].startswith("40 frames of Leu-Ser-Asp")
    assert training["seconds"] == pytest.approx(result.seconds, abs=0.1)


def test_it_is_trained_by_presets():
    assert isinstance(ChainFlow(), PresetTrainable)
    assert all(load_preset(name).training.engine().steps for name in presets())


def test_delivered_weights_are_small_and_say_how_they_were_made():
    for path in sorted(delivered(0).parent.glob("*.toml")):
        training = read_weights(path).training
        assert delivered(training["seed"]) == path
        assert training["seconds"] > 0
        assert {"preset", "steps", "machine", "best_validation_loss"} <= training.keys()
    assert all(part.stat().st_size < 2e6 for part in delivered(0).parent.glob("*.safetensors"))


def test_a_seed_without_weights_is_refused_with_the_command_that_makes_them(villin_set):
    assert delivered(10**6) is None
    with pytest.raises(UnsupportedTaskError, match="backmapbench train chain-flow"):
        ChainFlow().fit(*villin_set, 10**6)


def test_heads_have_to_divide_scalars_and_vectors():
    with pytest.raises(CardError, match="heads = 3"):
        load_preset("proteins", ("network.heads=3",))


def test_bad_requests_are_refused(villin_set, tmp_path):
    with pytest.raises(UnknownNameError, match="preset"):
        ChainFlow().train(*villin_set, TrainingRequest("protein", (), tmp_path))
    with pytest.raises(CardError, match=r"network\.scalars"):
        ChainFlow().train(*villin_set, TrainingRequest(None, ("network.scalars=0",), tmp_path))
    with pytest.raises(SubmissionError, match="search"):
        ChainFlow().train(*villin_set, TrainingRequest(None, SMALL, tmp_path, trials=3))


def test_a_checkpoint_of_the_run_is_no_weights(trained):
    _, _, folder = trained
    with pytest.raises(SubmissionError, match="holds no weights"):
        read_weights(folder / "last.toml")
