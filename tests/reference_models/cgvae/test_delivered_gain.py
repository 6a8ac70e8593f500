"""What delivered weights are worth, scored as the board scores them."""

import pytest

from backmapbench.evaluation import Evaluator
from backmapbench.submissions.registry import load_model
from backmapbench.tasks import load_task

GAIN = 0.2


@pytest.mark.slow
def test_delivered_weights_beat_bead_centre_by_a_fifth_of_its_deviation():
    task = load_task("nls-mini-ucg-8")
    evaluator = Evaluator(task, metrics=["rmsd_angstrom"])
    deviation = {}
    for name in ("cgvae-fixed", "bead-centre"):
        model, _ = load_model(name)
        if name == "cgvae-fixed":
            model.fit(task.system, task.training_set(), 0)
        prediction = model.backmap(task.system, task.beads(task.card.splits.scored), 1, 0)
        deviation[name] = evaluator.evaluate(prediction).scores["rmsd_angstrom"].value
    assert deviation["cgvae-fixed"] < (1 - GAIN) * deviation["bead-centre"]
