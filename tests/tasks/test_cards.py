"""Every packaged card: valid, named as its file, on a dataset of the catalogue."""

import pytest

from backmapbench.datasets.catalogue import dataset_names, load_dataset
from backmapbench.errors import DataError
from backmapbench.tasks import embedded_tasks, load_task, task_names
from backmapbench.tasks.card import find_card, metric_sets, read_card

PUBLISHED = {
    "adp-temporal": 6,
    "cln-temporal": 10,
    "eif4e-ucg-10": 10,
    "eif4e-ucg-19": 19,
    "eif4e-ucg-50": 50,
    "ped00151-ucg-5": 5,
    "ped00151-ucg-8": 8,
}


@pytest.mark.parametrize("name", task_names())
def test_cards_are_valid(name):
    card = read_card(find_card(name))
    assert card.name == name
    assert card.dataset in dataset_names()
    assert card.metric_set is None or card.metric_set in metric_sets()


@pytest.mark.parametrize("name", embedded_tasks())
def test_embedded_tasks_load_and_share_no_trajectory(name):
    task = load_task(name)
    sources = [set(entry.sources) for entry in task.dataset.card.splits.values()]
    assert sum(map(len, sources)) == len(set().union(*sources))
    assert task.beads(task.card.splits.scored).positions.shape[1] == task.mapping.beads


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_tasks_say_how_to_get_their_data(name, tmp_path, monkeypatch):
    monkeypatch.setenv("BACKMAPBENCH_CACHE", str(tmp_path))
    card = read_card(find_card(name))
    assert load_dataset(card.dataset).card.tier == "paper"
    beads = card.mapping.beads or len(card.mapping.atoms or []) or 10
    assert beads == PUBLISHED[name]
    with pytest.raises(DataError, match="datasets fetch"):
        load_task(name)
