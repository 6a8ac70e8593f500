"""``backmapbench train``, from the command line to a model that runs by the common door."""

import json

import pytest
import typer
from typer.testing import CliRunner

from backmapbench.cli.train import train
from backmapbench.errors import CardError, SubmissionError, UnknownNameError
from backmapbench.submissions.registry import load_model
from backmapbench.tasks import load_task

TEMPORAL = "backmapbench.reference_models.temporal_cvae.model"
SHORT = [
    "network.encoder=4",
    "network.decoder=4",
    "network.latent=8",
    "training.steps=8",
    "training.mini_batch=4",
    "training.log_every=4",
    "training.validate_every=4",
    "training.checkpoint_every=4",
    "training.validation_batches=1",
    "inference.pairs=100",
]


@pytest.fixture(scope="module")
def app():
    made = typer.Typer(pretty_exceptions_enable=False)
    made.command()(train)
    return made


@pytest.fixture
def source(tmp_path):
    """A stranger's file with the twin under another name, as any model that is trained by presets may come."""
    path = tmp_path / "mine.py"
    path.write_text(f"from {TEMPORAL} import FrameCvae as Mine\n")
    return f"{path}:Mine"


def test_search_and_training_end_in_a_model(app, source, tmp_path):
    changes = [part for change in SHORT for part in ("--set", change)]
    folder = tmp_path / "run"
    command = [source, "-t", "adp-mini-temporal", "-o", str(folder), "--search", "2", "--json", *changes]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told["steps"] == 8
    assert told["folder"] == str(folder)
    for name in ("weights.toml", "log.csv", "page.md", "latent.png", "samples.png", "search/best.toml"):
        assert (folder / name).is_file(), name
    assert "published: 0.84" in (folder / "page.md").read_text()
    model, _ = load_model(f"{folder / 'model.py'}:Trained")
    task = load_task("adp-mini-temporal")
    model.fit(task.system, task.training_set(), 0)
    beads = task.beads("validation")
    some = type(beads)(beads.positions[:4], (4,), beads.frame_ps)
    assert model.backmap(task.system, some, 1, 0).shape == (1, 4, 22, 3)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["bead-centre", "-t", "adp-mini-temporal"], SubmissionError, "is not trained by presets"),
        (["SOURCE", "-t", "adp-mini-temporal", "-p", "adp-smal"], UnknownNameError, "did you mean adp-small"),
        (["SOURCE", "-t", "adp-mini-temporal", "--set", "training.stps=3"], CardError, r"training\.stps: Extra inputs"),
        (["SOURCE", "-t", "adp-mini-tempral"], UnknownNameError, "did you mean adp-mini-temporal"),
    ],
)
def test_what_is_wrong_is_named(app, source, tmp_path, arguments, error, message):
    given = [source if part == "SOURCE" else part for part in arguments]
    with pytest.raises(error, match=message):
        CliRunner().invoke(app, [*given, "-o", str(tmp_path / "run")], catch_exceptions=False)
