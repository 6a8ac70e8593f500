"""Cards and the embedded data behind them."""

import shutil
import tomllib

import mdtraj
import numpy as np
import pytest
import tomli_w

from backmapbench.datasets import catalogue
from backmapbench.datasets.catalogue import CARDS, Dataset, dataset_names, load_dataset, read_card
from backmapbench.errors import CardError, DataError, UnknownNameError

CARDS_BY_TIER = {
    tier: [name for name in dataset_names() if read_card(CARDS / f"{name}.toml").tier == tier]
    for tier in ("embedded", "paper")
}


@pytest.mark.parametrize("name", CARDS_BY_TIER["embedded"])
def test_every_file_is_what_its_card_says(name):
    assert load_dataset(name).verify()


@pytest.mark.parametrize("name", CARDS_BY_TIER["embedded"])
def test_no_two_splits_share_a_trajectory(name):
    sources = [source for split in read_card(CARDS / f"{name}.toml").splits.values() for source in split.sources]
    assert len(sources) == len(set(sources))


def test_adp_mini_is_as_large_and_as_small_as_promised():
    card = read_card(CARDS / "adp-mini.toml")
    assert sum(split.frames for split in card.splits.values()) * card.frame_ps >= 80_000
    assert card.provenance["simulated_ns"] >= 300
    assert sum(split.bytes for split in card.splits.values()) <= 12e6
    assert card.splits["test"].frames == card.splits["fresh"].frames
    assert abs(card.measured["rounding"]["mean_energy_shift_kT"]) < 0.05


def test_start_proportions_are_the_same_in_every_split():
    card = read_card(CARDS / "adp-mini.toml")
    basins = len(card.provenance["recipe"]["starts"]["basins"])
    for split in card.splits.values():
        counts = np.bincount(np.array(split.sources) % basins, minlength=basins)
        assert (counts == len(split.sources) / basins).all()


def test_phi_is_left_on_both_sides_in_the_test_split():
    visits = read_card(CARDS / "adp-mini.toml").measured["test"]
    assert visits["left_phi_positive"] >= 1
    assert visits["entered_phi_positive"] >= 1


def test_molecules_are_whole_and_right_handed():
    data = load_dataset("adp-mini")
    names = {f"{a.residue.name}{a.residue.resSeq}:{a.name}": a.index for a in data.topology.atoms}
    bonds = np.array([(a.index, b.index) for a, b in data.topology.bonds])
    assert len(bonds) == 21
    for split in data.card.splits:
        xyz = data.split(split).positions
        lengths = np.linalg.norm(xyz[:, bonds[:, 0]] - xyz[:, bonds[:, 1]], axis=-1)
        assert lengths.min() > 0.09
        assert lengths.max() < 0.175
        quad = [[names[f"ALA2:{atom}"] for atom in ("N", "C", "CB", "HA")]]
        improper = mdtraj.compute_dihedrals(mdtraj.Trajectory(xyz, data.topology), quad)
        assert (np.sign(improper) == np.sign(improper[0, 0])).all()


@pytest.fixture
def copy(tmp_path):
    """A copy of the embedded dataset that a test may damage."""
    original = load_dataset("adp-mini")
    shutil.copytree(original.folder, tmp_path / "adp-mini")
    return Dataset(original.card, tmp_path / "adp-mini")


@pytest.mark.parametrize(
    ("damage", "message"),
    [(lambda b: b[:-5], "truncated"), (lambda b: b[:-1] + bytes([b[-1] ^ 1]), "SHA-256"), (None, "missing")],
)
def test_damaged_data_never_loads(copy, damage, message):
    path = copy.folder / "test.npz"
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=rf"test\.npz.*{message}"):
        copy.split("test")
    with pytest.raises(DataError, match=r"test\.npz"):
        copy.verify()


def test_unknown_names_get_a_hint():
    with pytest.raises(UnknownNameError, match="did you mean adp-mini"):
        load_dataset("adp-minni")
    with pytest.raises(UnknownNameError, match="did you mean test"):
        load_dataset("adp-mini").split("tests")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"atoms": "many"}, "atoms"),
        ({"colour": "red"}, "colour"),
        ({"schema_version": 99}, "schema_version"),
        ({"licence": None}, "licence"),
    ],
)
def test_wrong_cards_name_file_and_field(tmp_path, change, message):
    content = tomllib.loads((CARDS / "adp-mini.toml").read_text()) | change
    path = tmp_path / "card.toml"
    path.write_text(tomli_w.dumps({key: value for key, value in content.items() if value is not None}))
    with pytest.raises(CardError, match=rf"card\.toml.*{message}"):
        read_card(path)


def test_a_card_that_is_no_toml(tmp_path):
    (tmp_path / "card.toml").write_text("name = [")
    with pytest.raises(CardError, match="not valid TOML"):
        catalogue.read_card(tmp_path / "card.toml")
