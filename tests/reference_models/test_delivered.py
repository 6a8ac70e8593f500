"""Every row of the package on every embedded task: weights are taken, or the task is refused in words."""

import pytest

from backmapbench.errors import UnsupportedTaskError
from backmapbench.submissions import TrainableBackmapper
from backmapbench.submissions.registry import installed_models, load_model
from backmapbench.tasks import embedded_tasks, load_task

TRAINED_IN_THE_RUN = {"ar-internal", "equivariant-temporal"}
TRAINED_FOR = {"adp-mini-temporal", "cln-mini-temporal", "cln-mini-ca"}  # everywhere else they have to say no
# Every task has rows beside the baselines; which ones is what weights, beads and hydrogens allow.
EXPECTED = {
    "adp-mini-temporal": {"temporal-cvae", "frame-cvae"},
    "cln-mini-temporal": {"temporal-cvae", "frame-cvae"},
    "cln-mini-ca": set(),
    "villin-mini-ca": {"chain-flow", "chain-flow@mode", "internal-coordinates", "internal-coordinates@mode"},
    "nls-mini-ca": {"chain-flow", "chain-flow@mode", "internal-coordinates", "internal-coordinates@mode"},
}
ULTRA_COARSE = {
    "cgvae-legacy",
    "cgvae-fixed",
    "cgvae-fixed@mode",
    "cgvae-2step",
    "cgvae-2step@mode",
    "cgvae-3step",
    "chain-flow",
    "chain-flow@mode",
}


@pytest.mark.parametrize("name", embedded_tasks())
def test_weights_or_words(name):
    task = load_task(name)
    training = task.training_set()
    taken, words = set(), []
    for point in installed_models():
        model, _ = load_model(point.name)
        if not isinstance(model, TrainableBackmapper) or (name in TRAINED_FOR and point.name in TRAINED_IN_THE_RUN):
            continue
        try:
            model.fit(task.system, training, 0)
        except UnsupportedTaskError as error:
            words.append(str(error))
        else:
            taken.add(point.name)
    expected = EXPECTED.get(name, ULTRA_COARSE)
    assert taken - {"lookup"} == expected
    assert all(": " in each and "\n" not in each for each in words)
