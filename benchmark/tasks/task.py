"""``Task``: a card with its data. What a backmapper sees and what the harness holds back are different calls."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backmapbench.coarse_graining import CoarseMapping, atom_index
from backmapbench.datasets.catalogue import Dataset, load_dataset
from backmapbench.datasets.own import OwnDataset, own_dataset
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import CardError, NotApplicableError
from backmapbench.metrics import Metric, MetricContext, metric_class
from backmapbench.submissions import System, TrainingSet
from backmapbench.tasks.card import TaskCard, find_card, metric_sets, read_card, task_names
from backmapbench.tasks.hidden import rotatable_torsions
from backmapbench.tasks.mappings import build_mapping


@dataclass(frozen=True)
class Task:
    """A task card and its dataset.

    Every frame is moved so that its bead centroid is the origin: the origin is then a function of the beads alone and
    tells a backmapper nothing of the atoms that it is to find.
    """

    card: TaskCard
    dataset: Dataset | OwnDataset
    folder: Path

    @cached_property
    def mapping(self) -> CoarseMapping:
        """How atoms become beads."""
        return build_mapping(
            self.card.mapping,
            self.dataset.topology,
            self.folder,
            lambda: self.dataset.split(self.card.splits.train).positions,
        )

    @property
    def temporal(self) -> bool:
        """Whether frames are in time order, ``frame_ps`` apart."""
        return self.card.protocol == "temporal"

    @cached_property
    def system(self) -> System:
        """What a backmapper knows of the molecule."""
        return System(self.dataset.topology, self.mapping, self.dataset.card.temperature_K)

    def atoms(self, split: str) -> Trajectories:
        """All-atom positions of a split, each frame centred on its beads.

        For the harness: those of the scored and the fresh split are never handed to a model.
        """
        return self.centred(self.dataset.split(split))

    def fresh(self) -> Trajectories:
        """All-atom positions of the fresh-MD split, centred on its beads; CardError where the task has none."""
        if self.card.splits.fresh is None:
            raise CardError(f"task '{self.card.name}': names no fresh-MD split; add it to [splits]")
        return self.atoms(self.card.splits.fresh)

    def centred(self, data: Trajectories) -> Trajectories:
        """All-atom positions with each frame's bead centroid at the origin; without a spacing on independent tasks."""
        centroids = self.mapping.positions(data.positions.astype(np.float64)).mean(axis=1, keepdims=True)
        centred = data.replace_positions(data.positions - centroids)
        return centred if self.temporal else Trajectories(centred.positions, centred.lengths, None)

    def beads(self, split: str) -> Trajectories:
        """Bead positions of a split: a fresh array that shares no memory with the atoms."""
        atoms = self.atoms(split)
        return atoms.replace_positions(np.array(self.mapping.positions(atoms.positions)))

    def training_set(self) -> TrainingSet:
        """What a backmapper may learn from."""
        return TrainingSet(self.atoms(self.card.splits.train), self.atoms(self.card.splits.validation))

    def metrics(self, names: list[str] | None = None) -> list[Metric]:
        """The card's metrics (or those of them in ``names``), fitted to the scored split's reference."""
        return self.fitted_metrics(names)[0]

    def fitted_metrics(self, names: list[str] | None = None) -> tuple[list[Metric], dict[str, str]]:
        """The same, and why metrics of the card's metric set are not applicable, by name.

        Raises NotApplicableError for such a metric that the card names itself.
        """
        reference = self.atoms(self.card.splits.scored)
        shared: dict[object, object] = {}
        kinetics = {} if self.card.kinetics is None else self.card.kinetics.model_dump()
        if kinetics:
            kinetics["torsions"] = self._indices(kinetics["torsions"])
        hidden = self._hidden()
        fitted, refused = [], {}
        optional = set(metric_sets()[self.card.metric_set]) if self.card.metric_set else set()
        for name, settings in self.card.metrics.items():
            if names is not None and name not in names:
                continue
            context = MetricContext(
                topology=self.dataset.topology,
                topology_path=str(self.dataset.topology_path),
                mapping=self.mapping,
                reference=reference,
                temperature_K=self.dataset.card.temperature_K,
                force_field=tuple(self.dataset.card.force_field.scored),
                settings=settings,
                kinetics=kinetics,
                hidden_torsions=hidden,
                shared=shared,
            )
            try:
                fitted.append(metric_class(name).fit(context))
            except NotApplicableError as error:
                if name not in optional:
                    raise
                refused[name] = str(error).split(";")[0]
        return fitted, refused

    def _hidden(self) -> NDArray[np.intp]:
        if self.card.hidden is not None and self.card.hidden.automatic:
            return rotatable_torsions(self.dataset.topology, self.mapping)
        return self._indices(self.card.hidden.torsions if self.card.hidden else [])

    def _indices(self, torsions: list[list[str]]) -> NDArray[np.intp]:
        quads = [[atom_index(self.dataset.topology, label) for label in torsion] for torsion in torsions]
        return np.array(quads, dtype=np.intp).reshape(-1, 4)


def load_task(name: str) -> Task:
    """The task called ``name``, or the one described by the card file at that path.

    Raises UnknownNameError, CardError (a wrong card, atom names the topology lacks) or DataError (files).
    """
    path = find_card(name)
    card = read_card(path)
    task = Task(card, _dataset(card, path), path.parent)
    if task.temporal and task.dataset.card.frame_ps is None:
        raise CardError(f"{path}: protocol 'temporal' needs frame_ps; '{card.dataset or 'data'}' has none")
    try:
        _ = task.mapping
    except CardError as error:
        raise CardError(f"{path}: {error}") from error
    for role, split in card.splits.model_dump().items():
        if split is not None and split not in task.dataset.card.splits:
            source = f"dataset '{card.dataset}'" if card.dataset else "[data.splits]"
            raise CardError(f"{path}: splits.{role} = '{split}' is not a split of {source}")
    return task


def _dataset(card: TaskCard, path: Path) -> Dataset | OwnDataset:
    if card.data is None:
        return load_dataset(card.dataset or "")
    own = card.data
    return own_dataset(
        card.name,
        path.parent / own.topology,
        own.splits,
        own.temperature_K,
        own.frame_ps,
        own.force_field,
        heavy=own.atoms == "heavy",
    )


def embedded_tasks() -> list[str]:
    """Names of the packaged tasks whose data ship with the package, in alphabetical order."""
    datasets = {name: read_card(find_card(name)).dataset for name in task_names()}
    return [name for name, data in datasets.items() if data and load_dataset(data).card.tier == "embedded"]
