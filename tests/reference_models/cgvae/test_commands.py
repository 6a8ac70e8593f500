"""Commands beside the board: atoms left on their bead, and errors along a chain."""

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from backmapbench.errors import CardError, SubmissionError, UnknownNameError
from backmapbench.reference_models.cgvae import collapse, propagation
from backmapbench.reference_models.cgvae.given import beads_of, mapping_of, topology_of
from backmapbench.reference_models.cgvae.model import Cgvae
from backmapbench.reference_models.cgvae.network import CgvaeNetwork
from backmapbench.reference_models.cgvae.structure import Structure
from backmapbench.reference_models.step_errors import StepError
from backmapbench.submissions import System
from backmapbench.submissions.predictions import write_input


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


def test_collapse_without_weights_names_the_way_out(folder):
    result = CliRunner().invoke(_app(collapse.main), [str(folder)])
    assert result.exit_code == 2


def test_propagation_prints_a_row_per_step():
    text = propagation.table([StepError("CA", 46, 1.0, 1.0, 0.0), StepError("atoms", 371, 1.5, 2.25, 0.5)])
    assert text.splitlines()[-1] == "| atoms | 371 | 1.500 Å | 2.250 Å | 0.500 Å |"


def test_propagation_knows_its_rows_and_its_frames(folder):
    with pytest.raises(UnknownNameError, match="cgvae-2step"):
        propagation.report(folder, "villin-mini", "test", "cgvae-1step", None, 1, 0)
    with pytest.raises(CardError, match="84, 3"):
        propagation.report(folder, "villin-mini", "test", "cgvae-2step", None, 1, 0)


def _app(main):
    import typer

    app = typer.Typer()
    app.command()(main)
    return app
