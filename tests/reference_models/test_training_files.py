"""Checkpoints of every version, presets and changed entries, search."""

import importlib.util
import tomllib
from pathlib import Path

import pytest
import tomli_w
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from backmapbench.errors import CardError, UnknownNameError
from backmapbench.reference_models.training import TrainingError, checkpoint, overridden, read_preset, train
from backmapbench.reference_models.training.search import Choice, Range, search
from backmapbench.reference_models.training.settings import GuardSettings
from backmapbench.reference_models.training.state import first_difference

TENSORS = {"network.a": torch.arange(6.0).reshape(2, 3), "optimiser.0.step": torch.tensor(3.0)}
CONTENT = {"kind": "training", "run": {"step": 3, "best": float("inf")}}


@pytest.fixture(scope="module")
def toy():
    path = Path(__file__).with_name("regression.py")
    spec = importlib.util.spec_from_file_location("regression", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_checkpoint_comes_back(tmp_path):
    checkpoint.write(tmp_path / "last.toml", TENSORS, CONTENT)
    checkpoint.write(tmp_path / "last.toml", TENSORS | {"more": torch.ones(1)}, CONTENT)
    stored = checkpoint.read(tmp_path / "last.toml")
    assert stored.content == CONTENT
    assert all(torch.equal(stored.tensors[name], value) for name, value in TENSORS.items())
    assert len(list(tmp_path.iterdir())) == 2  # the older tensor file is gone


def test_version_1_is_upgraded(tmp_path):
    """As the first version wrote it: content at the top level, the tensor file named without a hash."""
    save_file(TENSORS, tmp_path / "weights.safetensors")
    old = {"schema_version": 1, "weights": "weights.safetensors"} | CONTENT
    (tmp_path / "last.toml").write_text(tomli_w.dumps(old))
    stored = checkpoint.read(tmp_path / "last.toml")
    assert stored.content == CONTENT
    assert torch.equal(stored.tensors["network.a"], TENSORS["network.a"])


def test_every_older_version_has_an_upgrade():
    assert set(checkpoint.UPGRADES) == set(range(1, checkpoint.SCHEMA_VERSION))


def test_damage_is_named(tmp_path):
    path = tmp_path / "last.toml"
    with pytest.raises(TrainingError, match="cannot be read"):
        checkpoint.read(path)
    checkpoint.write(path, TENSORS, CONTENT)
    (tensors,) = tmp_path.glob("*.safetensors")
    whole = tensors.read_bytes()
    tensors.write_bytes(whole[:-1])
    with pytest.raises(TrainingError, match=r"is not the file that last\.toml was written with"):
        checkpoint.read(path)
    tensors.unlink()
    with pytest.raises(TrainingError, match="copy both files"):
        checkpoint.read(path)
    tensors.write_bytes(whole)
    header = tomllib.loads(path.read_text())
    path.write_text(tomli_w.dumps(header | {"schema_version": 99}))
    with pytest.raises(TrainingError, match="schema_version 99; this program reads 1 to 2"):
        checkpoint.read(path)
    del header["tensors"]
    path.write_text(tomli_w.dumps(header))
    with pytest.raises(TrainingError, match="has no 'tensors'"):
        checkpoint.read(path)
    path.write_text("schema_version = ")
    with pytest.raises(TrainingError, match="cannot be read"):
        checkpoint.read(path)


def test_changes_are_toml_or_words():
    content = {"training": {"steps": 5, "name": "x"}, "other": 1}
    changes = ["training.steps=10", "training.rate = 1e-3", "training.name=cpu", "new.table.list=[1, 2]", "flag=true"]
    changed = overridden(content, changes)
    assert changed == {
        "training": {"steps": 10, "rate": 1e-3, "name": "cpu"},
        "other": 1,
        "new": {"table": {"list": [1, 2]}},
        "flag": True,
    }
    assert content == {"training": {"steps": 5, "name": "x"}, "other": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [("steps", "is no key=value"), ("a.=1", "is no key=value"), ("other.inner=1", "'other' is an entry, not a table")],
)
def test_changes_that_are_none(change, message):
    with pytest.raises(CardError, match=message):
        overridden({"other": 1}, [change])


@given(st.dictionaries(st.sampled_from("abc"), st.integers() | st.floats(allow_nan=False) | st.booleans(), min_size=1))
def test_changes_carry_every_number(entries):
    changes = [f"t.{key}={tomli_w.dumps({'v': value}).partition('=')[2]}" for key, value in entries.items()]
    assert overridden({}, changes) == {"t": entries}


def test_unknown_preset_and_wrong_entry():
    package = "backmapbench.reference_models.temporal_cvae"
    with pytest.raises(UnknownNameError, match="unknown preset 'adp-papr'; did you mean adp-paper"):
        read_preset(package, "adp-papr", GuardSettings)
    from backmapbench.reference_models.temporal_cvae.settings import Preset

    with pytest.raises(CardError, match=r"preset 'adp-small': grid\.cells: .*\(given: 9\); correct the entry"):
        read_preset(package, "adp-small", Preset, ["grid.cells=9"])


def test_first_difference_is_named():
    assert first_difference({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}) == "a.c was 2, now 3"
    assert first_difference({"a": 1}, {"a": 1, "z": 2}) == "z was None, now 2"
    assert not first_difference({"a": {"b": [1]}}, {"a": {"b": [1]}})


def test_search_finds_the_rate_and_prunes(toy, tmp_path):
    ends = []

    def loss(changes, folder, validated):
        rate = float(changes[0].partition("=")[2])
        try:
            return train(toy.Regression(rate=rate), toy.engine(), 3, folder, validated=validated).best
        finally:
            ends.append(int(len(list((folder / "log.csv").open())) - 1) * 5)

    space = {"rate": Range(low=1e-6, high=1e-1, log=True), "kind": Choice(choices=["a", True, 2])}
    best = search(loss, space, 12, (10, toy.STEPS), 0, tmp_path)
    entries = dict(entry.split("=") for entry in best)
    assert float(entries["rate"]) > 3e-3
    assert entries["kind"] in ("'a'", '"a"', "true", "2")
    assert min(ends) < toy.STEPS
    assert max(ends) == toy.STEPS
    assert tomllib.loads((tmp_path / "best.toml").read_text())["entries"]["rate"] == float(entries["rate"])
    count = len(ends)
    assert search(loss, space, 12, (10, toy.STEPS), 0, tmp_path) == best
    assert len(ends) == count  # all trials were there


def test_search_says_what_is_missing(tmp_path):
    with pytest.raises(TrainingError, match=r"no \[search\] table"):
        search(lambda *_: 0.0, {}, 1, (1, 2), 0, tmp_path)

    def fails(changes, folder, validated):
        raise TrainingError("diverged")

    with pytest.raises(TrainingError, match="no trial came to its end"):
        search(fails, {"a": Range(low=0, high=1)}, 2, (1, 2), 0, tmp_path)
