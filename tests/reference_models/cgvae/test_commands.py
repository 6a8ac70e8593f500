"""Commands beside the board: atoms left on their bead, and errors along a chain."""

import shutil

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from backmapbench.cli import app
from backmapbench.errors import SubmissionError, UnknownNameError
from backmapbench.reference_models.cgvae import collapse, posterior, propagation
from backmapbench.reference_models.cgvae.delivery import delivered
from backmapbench.reference_models.cgvae.given import beads_of, mapping_of, topology_of
from backmapbench.reference_models.cgvae.model import Cgvae
from backmapbench.reference_models.cgvae.network import CgvaeNetwork
from backmapbench.reference_models.cgvae.structure import Structure
from backmapbench.reference_models.step_errors import StepError, step_errors
from backmapbench.submissions import System
from backmapbench.submissions.predictions import write_input
from backmapbench.submissions.registry import load_model
from backmapbench.tasks import load_task


@pytest.fixture
def beads(system, build):
    atoms = build.frames(system, 6, seed=5)
    return atoms.replace_positions(system.mapping.positions(atoms.positions))


@pytest.fixture
def folder(system, beads, tmp_path):
    write_input(tmp_path, system, beads, "some-task")
    return tmp_path


def untrained(system, preset, behaviour, **changes):
    """A network as it was made, its numbers blown up so that no atom stays on its bead by accident."""
    changed = preset.model_copy(update={"model": preset.model.model_copy(update=changes)})
    model = Cgvae(behaviour)
    torch.manual_seed(0)
    network = CgvaeNetwork(changed, behaviour, Structure.of(system))
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(2.0)
    model._use(Structure.of(system), network)
    return model


def test_the_folder_is_read_back(folder, system, beads):
    assert Structure.of(System(topology_of(folder), mapping_of(folder), 300.0)).fingerprint == (
        Structure.of(system).fingerprint
    )
    found = beads_of(folder)
    assert found.lengths == beads.lengths
    np.testing.assert_array_equal(found.positions, beads.positions)
    for read in (topology_of, mapping_of, beads_of):
        with pytest.raises(SubmissionError, match="backmapbench beads"):
            read(folder / "nowhere")


def test_shares_are_all_none_or_by_the_beads_in_reach(system, beads, preset):
    """A cutoff below every distance leaves all atoms on their bead, one above all leaves none, one between some."""
    nearest = np.array([row.nearest_angstrom for row in _shares(system, beads, preset, 1.0)])
    for cutoff, expected in ((1.0, 1.0), (200.0, 0.0)):
        rows = _shares(system, beads, preset, cutoff)
        assert [row.on_bead for row in rows] == [expected] * 5
        assert sum(row.atoms for row in rows) == system.topology.n_atoms
    # One bead far away, in every frame: it alone keeps its atoms.
    far = beads.positions.copy()
    far[:, 2] += 50.0
    rows = _shares(system, beads.replace_positions(far), preset, 2.0 * float(nearest.max()))
    assert [row.on_bead for row in rows] == [0.0, 0.0, 1.0, 0.0, 0.0]
    assert rows[2].nearest_angstrom > 400


def _shares(system, beads, preset, cutoff):
    changes = {"bead_cutoff_angstrom": 100.0, "atom_cutoff_angstrom": cutoff, "decoder_depth": 3}
    model = untrained(system, preset, "legacy", **changes)
    return collapse.shares(model, system, beads, 0)


def test_the_table_weighs_beads_by_their_atoms():
    rows = [collapse.BeadShare("A", 30, 1.0, 12.0), collapse.BeadShare("B", 10, 0.0, 9.0)]
    assert collapse.table(rows).splitlines()[-1] == "| all | 40 | 75.0 % | |"


def test_collapse_without_weights_names_the_way_out(folder, seen):
    """No preset is made for the made-up molecule; for the delivered one there are no weights of this seed."""
    strange = refused(collapse.main, folder)
    assert "no small preset is made for 84 atoms in 5 beads" in strange
    assert strange.endswith("and give --weights\n")
    expected = "error: no weights of cgvae-fixed, seed 99, come with the package; give --weights\n"
    assert refused(collapse.main, seen, "--behaviour", "fixed", "--seed", "99") == expected


def test_collapse_tells_every_bead_of_the_delivered_weights(tmp_path):
    """``fixed`` has neighbours in reach in every frame; in this open peptide ``legacy`` leaves most atoms alone."""
    task, folder = load_task("nls-mini-ucg-8"), tmp_path / "seen"
    documented(folder, task)
    fixed, legacy = (rows(shown(collapse.main, folder, "--behaviour", each)) for each in ("fixed", "legacy"))
    for found in (fixed, legacy):
        assert [row[0] for row in found] == [*task.system.mapping.bead_names, "all"]
        assert sum(int(row[1]) for row in found[:-1]) == int(found[-1][1]) == task.system.topology.n_atoms
    assert {row[2] for row in fixed} == {"0.0 %"}
    assert min(float(row[2].removesuffix(" %")) for row in legacy) > 50


def test_propagation_prints_a_row_per_step():
    text = propagation.table([StepError("CA", 46, 1.0, 1.0, 0.0), StepError("atoms", 371, 1.5, 2.25, 0.5)])
    assert text.splitlines()[-1] == "| atoms | 371 | 1.500 Å | 2.250 Å | 0.500 Å |"


def test_propagation_knows_its_rows_its_molecule_and_its_splits(folder, seen):
    with pytest.raises(UnknownNameError, match="cgvae-2step"):
        propagation.report(folder, "villin-mini", "test", "cgvae-1step", None, 1, 0)
    assert "beads of 84 atoms, villin-mini has 289; name the dataset" in refused(
        propagation.main, folder, "--dataset", "villin-mini"
    )
    assert "unknown split of villin-mini 'valid'" in refused(
        propagation.main, seen, "--dataset", "villin-mini", "--split", "valid"
    )


def test_propagation_needs_no_beads_of_its_own_split(seen, villin):
    """The folder holds beads of scored frames; the table is of others, and what a chain is given costs it."""
    first, second = rows(shown(propagation.main, seen, "--dataset", "villin-mini"))
    assert (first[0], first[1], second[0], second[1]) == ("CA and beads", "35", "atoms", "289")
    alone, walked = (float(second[column].removesuffix(" Å")) for column in (2, 3))
    assert first[2] == first[3]
    assert walked > float(first[3].removesuffix(" Å")) > 0
    assert walked > alone > 0
    model, _ = load_model("cgvae-2step")
    model.fit(villin.system, villin.training_set(), 0)
    for number, error in enumerate(step_errors(model, villin.system, villin.atoms("validation"), 1, 0)):
        given = float((first, second)[number][3].removesuffix(" Å"))
        assert given == pytest.approx(error.predicted_angstrom, abs=6e-4)


def test_posterior_fills_the_folder_with_something_that_can_be_scored(seen, villin, tmp_path):
    """The atoms are those that the network makes of latents read from the scored frames, not of the prior's."""
    filled = tmp_path / "filled"
    shutil.copytree(seen, filled)
    structure = Structure.of(villin.system)
    weights = delivered("fixed", "villin-mini-ucg-3", structure.fingerprint, 0)
    said = shown(posterior.main, filled, "--dataset", "villin-mini", "--weights", str(weights))
    assert said == f"{filled / 'prediction.toml'}\n"
    row, _ = load_model(str(filled))
    assert row.info.name == "cgvae-fixed-posterior"
    atoms, beads = villin.atoms("test"), villin.beads("test")
    model = Cgvae("fixed", weights=weights)
    model.fit(villin.system, villin.training_set(), 0)
    read, drawn = (each.backmap(villin.system, beads, 1, 0)[0] for each in (row, model))
    np.testing.assert_allclose(read, model.reconstruct(villin.system, atoms, 0), atol=1e-4)
    assert np.abs(read - drawn).max() > 1e-3
    other = refused(posterior.main, filled, "--dataset", "villin-mini", "--weights", str(weights), "--split", "fresh")
    assert "beads of other frames than the split's" in other


@pytest.fixture(scope="module")
def villin():
    return load_task("villin-mini-ucg-3")


@pytest.fixture(scope="module")
def seen(villin, tmp_path_factory):
    folder = tmp_path_factory.mktemp("villin") / "seen"
    documented(folder, villin)
    return folder


def documented(folder, task):
    """What `backmapbench beads` writes."""
    assert CliRunner().invoke(app, ["beads", str(folder), "--task", task.card.name]).exit_code == 0


def rows(text):
    """Cells of a table in Markdown, without its head."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]]


def shown(main, folder, *options):
    result = _call(main, folder, *options)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def refused(main, folder, *options):
    result = _call(main, folder, *options)
    assert result.exit_code == 2
    return result.stderr


def _call(main, folder, *options):
    command = typer.Typer()
    command.command()(main)
    return CliRunner().invoke(command, [str(folder), *options])
