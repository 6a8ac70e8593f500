"""What must hold on the real board of the ultra-coarse tasks: learned rows with delivered weights, all frames."""

import dataclasses

import pytest

from backmapbench.board.rows import collect
from backmapbench.planning import Settings, plan
from backmapbench.runner import run_rows
from backmapbench.tasks import load_task

pytestmark = pytest.mark.slow  # minutes of sampling
PUBLISHED = ["cgvae-legacy", "cgvae-fixed", "cgvae-2step", "cgvae-3step"]


def _board(name, rows, folder):
    task = load_task(name)
    uncertainty = task.card.uncertainty.model_copy(update={"replicates": 100})
    quick = dataclasses.replace(task, card=task.card.model_copy(update={"uncertainty": uncertainty}))
    run_rows(quick, plan(quick, rows, [0]), Settings(folder))
    (board,) = collect(folder)

    def value(row, score):
        cell = board.cell(row, score)
        assert cell.status == "ok", (row, score, cell)
        return cell.value

    return value


@pytest.mark.parametrize("beads", [3, 5, 10])
def test_chain_flow_builds_villin_from_any_number_of_beads(beads, tmp_path):
    value = _board(f"villin-mini-ucg-{beads}", ["chain-flow", "chain-flow@mode"], tmp_path)
    for row in ("chain-flow", "chain-flow@mode"):
        assert value(row, "ged") <= 0.02
        assert value(row, "clash_percent") <= 2
        assert value(row, "cg_consistency_angstrom") < 1e-4
    assert value("chain-flow", "cis_omega_percent") == 0
    assert value("chain-flow", "chirality_percent") == 0


def test_chain_flow_spreads_best_where_least_is_given(tmp_path):
    value = _board("nls-mini-ucg-8", ["chain-flow", *PUBLISHED], tmp_path)
    assert all(value("chain-flow", "energy_score_angstrom") < value(row, "energy_score_angstrom") for row in PUBLISHED)
    assert value("chain-flow", "calibration") < 0.223  # a quarter too wide or too narrow
    assert all(value("chain-flow", "ged") < value(row, "ged") for row in PUBLISHED)
