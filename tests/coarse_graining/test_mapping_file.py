"""Mapping files: what is written is read back, what is wrong is refused, and atoms are found by name."""

import itertools
import re
import shutil
import tomllib
from dataclasses import replace

import mdtraj
import numpy as np
import pytest
import tomli_w

from backmapbench.coarse_graining import LEGACY, ca, learn, mapping_from_file, read_mapping, write_mapping
from backmapbench.coarse_graining.mapping_file import MappingFile
from backmapbench.coarse_graining.provenance import Origin, Source
from backmapbench.coarse_graining.recomputing import recomputed_objective
from backmapbench.coarse_graining.sources import frames_of_dataset, frames_of_files
from backmapbench.datasets.catalogue import load_dataset
from backmapbench.errors import CardError, DataError
from backmapbench.files import sha256

SOURCE = Source(dataset="made-up", version=1, split="train", frames=30, sha256={"train.npz": "0" * 64})
ORIGIN = Origin(command="backmapbench mappings learn made-up", wall_seconds=0.5, versions={"torch": "2.4"})
SHORT = replace(LEGACY, schedule=replace(LEGACY.schedule, epochs=20))


@pytest.fixture
def content(topology, chain_frames):
    return MappingFile.of(learn(topology, chain_frames, 3, method="kmeans", seed=1), SOURCE, ORIGIN)


@pytest.fixture
def stored(tmp_path, content):
    write_mapping(tmp_path / "beads.toml", content)
    return tmp_path / "beads.toml"


@pytest.mark.parametrize("method", ["autograin", "contiguous", "kmeans"])
@pytest.mark.parametrize("particles", ["ca", "heavy"])
def test_what_is_written_is_read(tmp_path, topology, chain_frames, method, particles):
    learned = learn(topology, chain_frames, 3, method=method, particles=particles, settings=SHORT)
    written = MappingFile.of(learned, SOURCE, ORIGIN)
    write_mapping(tmp_path / "beads.toml", written)
    assert read_mapping(tmp_path / "beads.toml") == written
    found = mapping_from_file(tmp_path / "beads.toml", topology)
    np.testing.assert_array_equal(found.weights.toarray(), learned.mapping.weights.toarray())
    assert found.bead_names == learned.names


def test_atoms_are_found_by_name_whatever_their_order(stored, topology, chain_frames):
    other = mdtraj.Topology()
    chain = other.add_chain()
    order = []
    for residue in topology.residues:
        same = other.add_residue(residue.name, chain, resSeq=residue.resSeq)
        for atom in reversed(list(residue.atoms)):
            other.add_atom(atom.name, atom.element, same)
            order.append(atom.index)
    beads = mapping_from_file(stored, topology).positions(chain_frames)
    np.testing.assert_allclose(mapping_from_file(stored, other).positions(chain_frames[:, order]), beads, atol=1e-6)


def test_two_steps_make_the_beads_of_one(content, topology, chain_frames):
    """Atoms to CA, then CA to beads, is the stored mapping: methods of one step and of several share the beads."""
    two = content.on_particles.after(ca(topology))
    np.testing.assert_allclose(two.weights.toarray(), content.mapping(topology).weights.toarray(), atol=1e-15)


def test_extended_beads_are_means_of_all_heavy_atoms_of_their_residues(content, topology, chain_frames):
    groups = content.atom_groups(topology)
    np.testing.assert_array_equal(sorted(itertools.chain(*groups)), topology.select("element != H"))
    expected = np.stack([chain_frames[:, group].astype(float).mean(axis=1) for group in groups], axis=1)
    np.testing.assert_allclose(content.extended(topology).positions(chain_frames), expected, atol=1e-6)
    for label, bead in zip(content.atoms, content.bead_of_atom, strict=True):
        residue = next(r for r in topology.residues if str(r) == label.split(":")[0])
        assert {atom.index for atom in residue.atoms if atom.element.symbol != "H"} <= set(groups[bead])


def test_runs_count_stretches_of_neighbours(content):
    changed = content.model_copy(update={"bead_of_atom": [0, 1, 1, 0, 2, 0]})
    assert changed.runs == [3, 1, 1]


def _without(key):
    return lambda saved: saved.pop(key)


def _with(**fields):
    return lambda saved: saved.update(fields)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_with(bead_of_atom=[0, 0, 0, 1, 1, 1]), "bead '.*' has no atoms"),
        (_with(bead_of_atom=[0, 0, 1, 1, 2, 3]), "bead_of_atom has 3; there are beads 0 to 2"),
        (_with(bead_of_atom=[0, 0, 1, 1, 2, -1]), "bead_of_atom has -1"),
        (_with(bead_of_atom=[0, 1, 2]), "3 entries for 6 atoms"),
        (_with(bead_names=["a", "b", "b"]), "bead_names must differ"),
        (_with(atoms=["ALA2:CA"] * 6), "atom 'ALA2:CA' is listed twice"),
        (_with(atoms=["ALA2"] * 6), r"atoms\.0"),
        (_with(method="guess"), "method"),
        (_with(schema_version=2), "schema_version"),
        (_with(seed=-1), "seed"),
        (_with(colour="red"), "colour"),
        (_without("provenance"), "provenance"),
        (_without("objective"), "objective"),
        (lambda saved: saved["objective"].update(total_nm2=1e3), r"total_nm2 is 1000\.0, its terms make"),
        (lambda saved: saved["objective"].update(lift_nm2=float("nan")), "objective.lift_nm2"),
        (lambda saved: saved["source"].update(sha256={"train.npz": "abc"}), "sha256"),
        (lambda saved: saved["source"].update(sha256={}), "sha256"),
    ],
)
def test_wrong_files_are_refused_with_place_and_problem(stored, change, said):
    saved = tomllib.loads(stored.read_text(encoding="utf-8"))
    change(saved)
    stored.write_text(tomli_w.dumps(saved), encoding="utf-8")
    with pytest.raises(CardError, match=f"{re.escape(str(stored))}: .*{said}"):
        read_mapping(stored)


def test_files_that_are_no_toml_or_not_there_are_refused(tmp_path):
    with pytest.raises(CardError, match="cannot be read"):
        read_mapping(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("beads = [", encoding="utf-8")
    with pytest.raises(CardError, match="not valid TOML"):
        read_mapping(tmp_path / "bad.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(CardError, match="not valid TOML"):
        read_mapping(tmp_path / "bytes.toml")


def test_another_molecule_is_refused(stored, topology):
    fewer = topology.subset(topology.select("resSeq != 5"))
    with pytest.raises(CardError, match=r"beads\.toml: 0 atoms are called 'TRP5:CA'"):
        mapping_from_file(stored, fewer)
    longer = topology.copy()
    extra = longer.add_residue("VAL", next(longer.chains), resSeq=9)
    longer.add_atom("CA", mdtraj.element.carbon, extra)
    with pytest.raises(CardError, match=r"beads\.toml: no bead for 1 particles of kind 'ca'.*'VAL9:CA'"):
        mapping_from_file(stored, longer)


def test_a_place_that_cannot_be_written_to_is_an_error(tmp_path, content):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="cannot be written"):
        write_mapping(tmp_path / "file" / "beads.toml", content)


@pytest.fixture(scope="module")
def own_files(tmp_path_factory):
    """The embedded dipeptide as a user's own files: a PDB file and 20 frames of xtc."""
    folder = tmp_path_factory.mktemp("own")
    dataset = load_dataset("adp-mini")
    shutil.copy(dataset.topology_path, folder / "own.pdb")
    positions = dataset.split("validation").positions[:20]
    mdtraj.Trajectory(positions, dataset.topology).save_xtc(folder / "own.xtc")
    return folder / "own.pdb", folder / "own.xtc"


def test_frames_of_own_files_carry_their_hashes(own_files):
    found = frames_of_files(own_files[0], [own_files[1]])
    assert found.positions.shape == (20, 22, 3)
    expected = load_dataset("adp-mini").split("validation").positions[:20]
    np.testing.assert_allclose(found.positions, expected, atol=2e-3)  # xtc keeps three digits
    assert found.source == Source(frames=20, sha256={path.name: sha256(path) for path in own_files})


def test_own_files_without_frames_or_of_one_name_are_refused(own_files, tmp_path):
    with pytest.raises(DataError, match="no trajectory given"):
        frames_of_files(own_files[0], [])
    shutil.copy(own_files[1], tmp_path / "own.xtc")
    with pytest.raises(DataError, match="share a name"):
        frames_of_files(own_files[0], [own_files[1], tmp_path / "own.xtc"])


def test_frames_of_a_dataset_carry_the_hashes_of_its_card():
    card = load_dataset("adp-mini").card
    found = frames_of_dataset("adp-mini", "validation")
    entry = card.splits["validation"]
    assert found.source.sha256 == {"topology.pdb": card.topology.sha256, entry.path: entry.sha256}
    assert (found.source.dataset, found.source.version, found.source.split) == ("adp-mini", card.version, "validation")
    assert found.source.frames == len(found.positions) == entry.frames


def test_the_objective_is_checked_on_the_frames(own_files, tmp_path):
    frames = frames_of_files(own_files[0], [own_files[1]])
    learned = learn(frames.topology, frames.positions, 2, particles="heavy", method="kmeans")
    content = MappingFile.of(learned, frames.source, ORIGIN)
    path = tmp_path / "beads.toml"
    assert recomputed_objective(path, content, frames) == learned.objective
    swapped = content.model_copy(update={"bead_of_atom": content.bead_of_atom[::-1]})
    with pytest.raises(CardError, match=r"objective\.total_nm2 is .* on its frames it is"):
        recomputed_objective(path, swapped, frames)
    other = replace(frames, source=frames.source.model_copy(update={"sha256": {"own.xtc": "0" * 64}}))
    with pytest.raises(DataError, match="other frames than these"):
        recomputed_objective(path, content, other)
    renamed = content.model_copy(update={"atoms": ["GLY7:CA", *content.atoms[1:]]})
    with pytest.raises(CardError, match=r"beads\.toml: 0 atoms are called 'GLY7:CA'"):
        recomputed_objective(path, renamed, frames)
