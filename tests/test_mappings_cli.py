"""``backmapbench mappings`` on the embedded dipeptide and on files of one's own."""

import json
import shutil

import mdtraj
import pytest
from typer.testing import CliRunner

from backmapbench.cli import mappings
from backmapbench.coarse_graining import mapping_from_file, read_mapping
from backmapbench.datasets.catalogue import load_dataset
from backmapbench.errors import BackmapbenchError, CardError, DataError, UnknownNameError


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Options that name a PDB file and 20 frames of xtc."""
    folder = tmp_path_factory.mktemp("own")
    dataset = load_dataset("adp-mini")
    shutil.copy(dataset.topology_path, folder / "own.pdb")
    mdtraj.Trajectory(dataset.split("validation").positions[:20], dataset.topology).save_xtc(folder / "own.xtc")
    return ["--topology", folder / "own.pdb", "--trajectory", folder / "own.xtc"]


def invoke(*arguments):
    """Standard output of a command that ends well; the error itself of one that does not."""
    result = CliRunner().invoke(mappings.app, [str(word) for word in arguments])
    if isinstance(result.exception, BackmapbenchError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def learn(folder, own, *more):
    path = folder / "beads.toml"
    said = invoke("learn", *own, "-n", 2, "--particles", "heavy", "-o", path, *more)
    return path, said


def test_a_learned_mapping_is_a_file_that_maps(tmp_path, own):
    path, said = learn(tmp_path, own, "--restarts", 2, "--seed", 3)
    assert "10 heavy particles in 2 beads" in said
    content = read_mapping(path)
    assert (content.method, content.seed, content.particles) == ("autograin", 3, "heavy")
    assert content.settings["restarts"] == 2
    assert {"own.pdb", "own.xtc"} == set(content.source.sha256)
    assert {"torch", "scikit-learn", "numpy", "backmapbench"} <= set(content.provenance.versions)
    assert content.provenance.wall_seconds > 0
    topology = load_dataset("adp-mini").topology
    assert mapping_from_file(path, topology).beads == 2


def test_the_command_in_the_file_makes_the_same_beads(tmp_path, own, monkeypatch):
    path, _ = learn(tmp_path, own, "--method", "kmeans", "--seed", 5)
    first = read_mapping(path)
    words = first.provenance.command.split()
    assert words[:3] == ["backmapbench", "mappings", "learn"]
    monkeypatch.chdir(own[1].parent)
    invoke(*words[2:])
    again = read_mapping(own[1].parent / "beads.toml")
    assert again.model_dump(exclude={"provenance"}) == first.model_dump(exclude={"provenance"})


def test_a_dataset_is_learned_from_by_name(tmp_path):
    path = tmp_path / "beads.toml"
    said = json.loads(
        invoke(
            "learn", "adp-mini", "--split", "validation", "-n", 3, "--particles", "heavy", "--method", "contiguous",
            "-o", path, "--json",
        )
    )  # fmt: skip
    assert said["file"] == str(path)
    assert said["bead_names"] == ["ACE1", "ALA2", "NME3"]
    assert said["source"]["dataset"] == "adp-mini"
    shown = json.loads(invoke("show", path, "--recompute", "--json"))
    assert shown["recomputed"]["total_nm2"] == pytest.approx(said["objective"]["total_nm2"], rel=1e-9)


def test_a_file_is_shown_with_beads_objective_and_origin(tmp_path, own):
    path, _ = learn(tmp_path, own, "--method", "kmeans")
    said = invoke("show", path)
    for part in ("CH3", "objective:", "frames: 20 of own.pdb", "made by: backmapbench"):
        assert part in said
    assert "recomputed" not in said
    assert "recomputed:" in invoke("show", path, "--recompute", *own)


def test_a_file_whose_beads_were_changed_does_not_pass_recomputing(tmp_path, own):
    path, _ = learn(tmp_path, own, "--method", "contiguous")
    text = path.read_text(encoding="utf-8")
    changed = text.replace("bead_of_atom = [\n    0,", "bead_of_atom = [\n    1,", 1)
    assert changed != text
    path.write_text(changed, encoding="utf-8")
    with pytest.raises(CardError, match="on its frames it is"):
        invoke("show", path, "--recompute", *own)


def test_ways_are_compared_in_one_table(own, monkeypatch):
    from backmapbench.coarse_graining import comparison

    few = {way: comparison.WAYS[way] for way in ("contiguous", "kmeans")}
    monkeypatch.setattr(comparison, "WAYS", few)
    arguments = ("compare", *own, "-n", 2, "-n", 3, "--particles", "heavy", "--seeds", 2)
    rows = json.loads(invoke(*arguments, "--json"))["rows"]
    assert [(row["beads"], row["way"], row["seed"]) for row in rows] == [
        (beads, way, seed) for beads in (2, 3) for way, seed in (("contiguous", 0), ("kmeans", 0), ("kmeans", 1))
    ]
    for row in rows:
        total = row["reconstruction_nm2"] + 0.25 * row["lift_nm2"]
        assert row["objective_nm2"] == pytest.approx(total, rel=1e-12)
    table = invoke(*arguments)
    assert "contiguous" in table
    assert f"{rows[0]['objective_nm2']:.6f}" in table


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (["learn", "-n", 2], CardError, "give the name of a dataset, or --topology"),
        (["learn", "adp-mini", "--topology", "x.pdb", "-n", 2], CardError, "not both"),
        (["learn", "adp-min", "-n", 2], UnknownNameError, "did you mean adp-mini"),
        (["learn", "adp-mini", "--split", "tst", "-n", 2], UnknownNameError, "did you mean test"),
        (["learn", "adp-mini", "-n", 2, "--split", "test"], DataError, "2 beads asked for of 1 particles"),
        (["learn", "adp-mini", "-n", 1, "--method", "guess"], UnknownNameError, "method"),
        (["learn", "adp-mini", "-n", 1, "--variant", "old"], UnknownNameError, "variant"),
        (["learn", "adp-mini", "-n", 1, "--particles", "residues"], UnknownNameError, "kind of particles"),
    ],
)
def test_errors_of_the_user_are_named_and_leave_no_file(tmp_path, words, error, said):
    path = tmp_path / "beads.toml"
    with pytest.raises(error, match=said):
        invoke(*words, "-o", path)
    assert not list(tmp_path.iterdir())
