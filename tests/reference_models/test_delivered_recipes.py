"""The commands that trained the delivered weights still train them: the first row of the log is the delivered one's."""

import csv
import math
import shlex
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

from backmapbench.reference_models.training import TrainingRequest
from backmapbench.submissions.registry import load_model
from backmapbench.tasks import load_task

HOME = Path(str(files("backmapbench.reference_models")))
LOGS = {
    "cgvae": "{stem}.log.csv",
    "chain_flow": "log-seed-{seed}.csv",
    "internal_coordinates": "log.csv",
    "temporal_cvae": "{stem}.csv",
}
QUICK = {  # of each kind the one that begins soonest; the others are slow
    "backmapbench train cgvae-legacy -t villin-mini-ucg-3 --seed 0",
    "backmapbench train cgvae-fixed -t villin-mini-ucg-3 --seed 0",
    "backmapbench train cgvae-2step -t villin-mini-ucg-3 --seed 0",
    "backmapbench train internal-coordinates -t nls-mini-ca",
}
TEMPORAL = {
    f"{model}-{preset}": f"backmapbench train {model} -t {task} --seed 0"
    for model in ("temporal-cvae", "frame-cvae")
    for preset, task in (("adp-small", "adp-mini-temporal"), ("cln-small", "cln-mini-temporal"))
}
SHARE = 1e-4
"""Other processors round otherwise, and a few steps multiply that; another recipe differs in the first digits."""


class EnoughError(Exception):
    """The training got as far as is wanted."""


def delivered() -> dict[str, list[Path]]:
    """Logs by the command that wrote them: a chain writes one for each of its trained steps."""
    found: dict[str, list[Path]] = {}
    for path in sorted(HOME.glob("*/weights/*.toml")):
        training = tomllib.loads(path.read_text(encoding="utf-8"))["content"]["training"]
        command = training.get("command") or TEMPORAL[path.stem]
        name = LOGS[path.parent.parent.name].format(stem=path.stem, seed=training["seed"])
        found.setdefault(command, []).append(path.parent / name)
    return found


def first_row(log: Path) -> dict[str, float]:
    with log.open(encoding="utf-8") as handle:
        row = next(csv.DictReader(handle))
    return {name: float(value) for name, value in row.items() if name != "seconds"}


def begin(command: str, folder: Path) -> dict[str, float]:
    """The first row of the log that ``command`` writes."""
    words = shlex.split(command)
    options = dict(zip(words[3::2], words[4::2], strict=True))
    model, _ = load_model(words[2])
    task = load_task(options["-t"])

    def stop(step, steps, losses):
        if any(len(log.read_text(encoding="utf-8").splitlines()) > 1 for log in folder.rglob("log.csv")):
            raise EnoughError

    request = TrainingRequest(None, (), folder, int(options.get("--seed", "0")))
    with pytest.raises(EnoughError):
        model.train(task.system, task.training_set(), request, stop)
    (log,) = folder.rglob("log.csv")
    return first_row(log)


def alike(one: dict[str, float], other: dict[str, float]) -> bool:
    return one.keys() == other.keys() and all(
        math.isclose(one[name], other[name], rel_tol=SHARE, abs_tol=1e-12) or math.isnan(one[name] + other[name])
        for name in one
    )


@pytest.mark.parametrize(
    "command",
    [pytest.param(each, marks=[] if each in QUICK else pytest.mark.slow) for each in sorted(delivered())],
)
def test_the_command_begins_as_it_did(command, tmp_path):
    found = begin(command, tmp_path)
    assert any(alike(found, first_row(log)) for log in delivered()[command])


def test_the_quick_ones_are_delivered():
    assert set(delivered()) >= QUICK
