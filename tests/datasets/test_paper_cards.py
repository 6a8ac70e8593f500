"""Cards of published datasets say what the literature says, and their rules fit the published numbers."""

import numpy as np
import pytest

from backmapbench.datasets.catalogue import CARDS, load_dataset, read_card
from backmapbench.datasets.schema import addresses
from backmapbench.datasets.sequence import topology_of
from backmapbench.datasets.splits import divide
from backmapbench.errors import CardError

NAMES = ("adp", "cln", "eif4e", "ped00151")
LENGTHS = {"adp": [250_000] * 3, "cln": [500] * 3744, "eif4e": [1000] * 3, "ped00151": [9746]}


def card(name):
    return read_card(CARDS / f"{name}.toml")


def sizes(name, variant):
    found = divide(LENGTHS[name], card(name).variants[variant])
    return {split: sum(stop - start for start, stop in segments) for split, segments in found.items()}


@pytest.mark.parametrize("name", NAMES)
def test_every_card_tells_sources_limits_and_what_is_not_known(name):
    one = card(name)
    assert one.tier == "paper"
    assert {"train", "validation", "test", "fresh"} <= set(one.splits)
    assert one.unknown
    for source in one.sources.values():
        assert source.licence
        assert source.units
        if source.access == "download":
            assert all(addresses(source, entry) for entry in source.files)
    first = one.sources[one.default_source or next(iter(one.sources))]
    assert first.frames in (None, sum(LENGTHS[name]))
    assert first.trajectories in (None, len(LENGTHS[name]))


@pytest.mark.parametrize("name", NAMES)
def test_every_variant_fits_the_published_numbers(name):
    for variant in card(name).variants:
        assert all(sizes(name, variant).values())


def test_the_protocols_of_the_literature():
    adp = sizes("adp", "published")
    assert (adp["train"], adp["validation"], adp["test"]) == (475_000, 25_000, 250_000)
    assert sizes("cln", "published") == {"train": 3650 * 500, "test": 94 * 500}
    whole = sizes("cln", "held-out")
    assert sum(whole.values()) == 3744 * 500
    for name in ("eif4e", "ped00151"):
        total = sum(LENGTHS[name])
        found = sizes(name, "shuffled")
        assert found["train"] == pytest.approx(0.8 * total, abs=1)
        assert found["test"] == pytest.approx(0.1 * total, abs=1)
        assert card(name).default_variant == "blocks"
        assert card(name).variants["blocks"].cuts[0].gap_frames >= 10


@pytest.mark.parametrize("name", NAMES)
def test_only_splits_declared_so_share_frames(name):
    for variant in card(name).variants.values():
        found = divide(LENGTHS[name], variant)
        taken = np.zeros(sum(LENGTHS[name]), dtype=int)
        for cut in variant.cuts:
            for split in () if cut.shared else cut.parts:
                for start, stop in found[split]:
                    taken[start:stop] += 1
        assert taken.max() == 1


@pytest.mark.parametrize(("name", "atoms"), [("adp", 22), ("cln", 175), ("ped00151", 371)])
def test_residues_make_the_atoms(name, atoms):
    one = card(name)
    topology = topology_of(one.selection)
    assert topology.n_atoms == one.atoms == atoms
    assert topology.n_residues == one.selection.residue_count
    bonds = topology.n_bonds - sum(atom.element.symbol == "H" for atom in topology.atoms)
    heavy = sum(atom.element.symbol != "H" for atom in topology.atoms)
    rings = {"PHE": 1, "TYR": 1, "TRP": 2, "HIS": 1, "PRO": 1}
    assert bonds == heavy - 1 + sum(rings.get(residue.name, 0) for residue in topology.residues)
    labels = {f"{atom.residue.name}{atom.residue.resSeq}:{atom.name}" for atom in topology.atoms}
    for beads in one.beads.values():
        assert set(beads.atoms) <= labels
        assert len(beads.atoms) in (0, beads.count)


def test_a_residue_that_is_none():
    selection = card("adp").selection.model_copy(update={"residues": ["ACE", "XYZ", "NME"]})
    with pytest.raises(CardError, match=r"selection\.residues: no residue 'XYZ'"):
        topology_of(selection)


def test_a_carboxyl_end_has_two_oxygens():
    selection = card("ped00151").selection
    longer = topology_of(selection.model_copy(update={"carboxyl_end": True}))
    assert longer.n_atoms == 372
    assert {"O", "OXT"} <= {atom.name for atom in longer.residue(-1).atoms}


def test_absent_data_are_one_clear_error(monkeypatch, tmp_path):
    monkeypatch.setenv("BACKMAPBENCH_CACHE", str(tmp_path))
    assert {load_dataset(name).presence() for name in NAMES} == {"absent"}
