"""The page that ``backmapbench datasets describe`` writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import matplotlib as mpl
from markupsafe import Markup

from backmapbench.datasets.catalogue import Dataset, load_dataset
from backmapbench.datasets.own import OwnDataset
from backmapbench.describe import pictures
from backmapbench.files import atomic_write
from backmapbench.tasks import Task, load_task, task_names
from backmapbench.tasks.card import find_card, read_card


def describe(name: str, output: Path) -> Path:
    """Write the page of dataset ``name`` (or of the data of a task card file) to ``output``; returns ``output``.

    Raises UnknownNameError for an unknown name, DataError for data that are not on this machine.
    """
    tasks = [load_task(name)] if name.endswith(".toml") else _tasks_of(name)
    dataset = tasks[0].dataset if name.endswith(".toml") else load_dataset(name)
    splits = {split: dataset.split(split) for split in dataset.card.splits}
    first = next(iter(splits))
    with mpl.rc_context(pictures.STYLE):
        drawn = {
            "Ramachandran map": pictures.ramachandran(splits, dataset.topology),
            "TICA of CA-CA distances": pictures.tica(splits, dataset.topology),
            "Radius of gyration": pictures.gyration(splits, dataset.topology),
            "Potential energy": pictures.energies(
                splits,
                str(dataset.topology_path),
                tuple(dataset.card.force_field.scored),
                dataset.card.temperature_K,
            ),
        }
        for task in tasks:
            title = f"{task.card.name}: {task.mapping.beads} beads"
            drawn[f"Beads of {task.card.name}"] = pictures.beads_on_structure(
                splits[first], dataset.topology, task.mapping, title
            )
        figures = {title: Markup(pictures.to_svg(figure)) for title, figure in drawn.items() if figure is not None}  # noqa: S704 - our own drawing
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("backmapbench.describe", ""), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.get_template("page.html.jinja").render(
        name=dataset.card.name, facts=_facts(dataset), splits=_rows(dataset, splits), figures=figures
    )
    with atomic_write(output, "w") as handle:
        handle.write(page)
    return output


def _tasks_of(name: str) -> list[Task]:
    """The packaged tasks on a dataset."""
    return [load_task(task) for task in task_names() if read_card(find_card(task)).dataset == name]


def _facts(dataset: Dataset | OwnDataset) -> dict[str, Any]:
    """Lines of the card that a reader wants first."""
    card = dataset.card
    lines: dict[str, Any] = {
        label: getattr(card, attribute)
        for label, attribute in (
            ("title", "title"),
            ("tier", "tier"),
            ("version", "version"),
            ("licence", "licence"),
            ("citation", "citation"),
            ("temperature / K", "temperature_K"),
            ("time between frames / ps", "frame_ps"),
            ("what it is good for", "limits"),
        )
        if getattr(card, attribute, None) is not None
    }
    topology = dataset.topology
    heavy = sum(1 for atom in topology.atoms if atom.element.symbol != "H")
    lines["atoms (heavy)"] = f"{topology.n_atoms} ({heavy})"
    lines["residues"] = topology.n_residues
    return lines


def _rows(dataset: Dataset | OwnDataset, splits: Mapping[str, Any]) -> list[dict[str, Any]]:
    measured = getattr(dataset.card, "measured", {})
    return [
        {"split": name, "trajectories": len(data.lengths), "frames": len(data)} | measured.get(name, {})
        for name, data in splits.items()
    ]
