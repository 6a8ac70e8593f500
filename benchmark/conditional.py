"""Conditional MD of a task: scored frames drawn again with their beads held, which is p(atoms given beads).

Made by ``backmapbench datasets hold-beads``, stored beside the dataset and listed in its card by task, as beads differ
between tasks of one dataset.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np
import tomli_w
from numpy.typing import NDArray

from backmapbench.datasets import codec
from backmapbench.datasets.catalogue import CARDS, ROOT, Dataset
from backmapbench.datasets.decorrelation import decorrelation
from backmapbench.datasets.schema import EmbeddedCard
from backmapbench.datasets.simulation.held_files import Frames, holding_provenance, load_samples, write_start
from backmapbench.datasets.simulation.held_starts import match, simulated_recipe, start_frames
from backmapbench.datasets.simulation.recipe import Recipe
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import DataError
from backmapbench.files import atomic_write, sha256
from backmapbench.tasks import Task
from backmapbench.tasks.hidden import rotatable_torsions

BEAD_TOLERANCE_NM = 0.001
"""Rounding of stored samples moves a bead by less."""


@dataclass(frozen=True, eq=False)
class Conditional:
    """Samples of p(atoms given beads).

    Attributes:
        frames: index of each drawn frame in the scored split, ascending.
        positions: float32 (samples, frames, atoms, 3), nm; each frame is centred as the task centres its reference.
    """

    frames: NDArray[np.intp]
    positions: NDArray[np.float32]


def has_conditional(task: Task) -> bool:
    """Whether the task's dataset carries samples at the task's beads."""
    card = task.dataset.card
    return isinstance(card, EmbeddedCard) and task.card.name in card.conditional


def load_conditional(task: Task) -> Conditional:
    """The samples of ``task``.

    Raises DataError where the dataset carries none, for damaged files, and where the samples' beads are not the task's.
    """
    dataset, name = task.dataset, task.card.name
    if not isinstance(dataset, Dataset) or not isinstance(dataset.card, EmbeddedCard) or not has_conditional(task):
        raise DataError(
            f"dataset '{task.dataset.card.name}': carries no conditional MD of task '{name}'; "
            f"make it with `backmapbench datasets hold-beads --task {name}`"
        )
    entry = dataset.card.conditional[name]
    frames = np.array(entry.frames, dtype=np.intp)
    stored = dataset.conditional(name)
    if entry.split != task.card.splits.scored:
        raise DataError(f"{dataset.folder / entry.path}: made of split '{entry.split}', which the task does not score")
    centred = np.stack([task.centred(Trajectories(part, (len(part),), None)).positions for part in stored])
    beads = task.beads(task.card.splits.scored).positions[frames]
    worst = float(np.abs(task.mapping.positions(centred) - beads).max())
    if worst > BEAD_TOLERANCE_NM:
        raise DataError(f"{dataset.folder / entry.path}: beads are {worst:.3g} nm off the task's; hold them again")
    return Conditional(frames, centred)


def spread_frames(total: int, count: int) -> NDArray[np.intp]:
    """``count`` of ``total`` frames at equal distances, none at an end."""
    return ((np.arange(count) + 0.5) * total / count).astype(np.intp)


def held_frames(task: Task, count: int | None, folder: Path, run: Path | None = None) -> tuple[Recipe, Frames]:
    """Recipe and start frames for holding the beads of ``count`` scored frames; writes ``start.pdb`` to ``folder``.

    Without ``count`` as many as the task samples. ``run`` is the run that made the dataset, needed where it does not
    store all heavy atoms. Raises DataError for a dataset that no recipe made, for fewer frames than asked for and for a
    run that is another dataset's.
    """
    dataset, _ = _embedded(task)
    split = dataset.split(task.card.splits.scored)
    count = min(len(split), task.card.sampling.frames) if count is None else count
    if count > len(split):
        raise DataError(f"task '{task.card.name}': has {len(split)} scored frames, not {count}; ask for fewer")
    recipe = simulated_recipe(dataset)
    folder.mkdir(parents=True, exist_ok=True)
    solute = match(dataset, write_start(recipe, folder))
    frames = spread_frames(len(split), count)
    starts = start_frames(dataset, recipe, task.card.splits.scored, frames, solute, run)
    weights = np.asarray(task.mapping.weights.toarray(), dtype=np.float64)
    about = {"task": task.card.name, "split": task.card.splits.scored, "frames": frames.tolist()}
    return recipe, Frames(starts, weights @ starts[:, solute.kept], solute.widen(weights), about)


def pack(
    task: Task, folder: Path, embedded: Path = ROOT / "embedded", cards: Path = CARDS
) -> tuple[Path, dict[str, Any]]:
    """Store the samples of the finished run ``folder`` beside the task's dataset; returns card and measured figures.

    Tasks that score one split of a dataset and have the same beads can share a run. Raises DataError for a run that has
    not finished or holds other beads than the task's.
    """
    dataset, card = _embedded(task)
    provenance, samples = holding_provenance(folder), load_samples(folder)
    kept = match(dataset, write_start(simulated_recipe(dataset), folder)).kept
    weights, held = task.mapping.weights.toarray(), samples.frames.weights[:, kept]
    if provenance["split"] != task.card.splits.scored or held.shape != weights.shape or not np.allclose(held, weights):
        raise DataError(f"{folder}: holds the beads of task '{provenance['task']}', not those of '{task.card.name}'")
    positions = samples.positions[:, :, kept].astype(np.float32)
    path = embedded / card.name / f"conditional-{task.card.name}.npz"
    _write(path, positions, dataset.topology, codec.quantum(dataset.folder / card.splits[provenance["split"]].path))
    torsions = rotatable_torsions(dataset.topology, task.mapping)
    measured = decorrelation(samples.frames.starts[:, kept], positions, dataset.topology, torsions) | {
        "largest_bead_error_nm": round(float(samples.bead_errors.max()), 5),
    }
    entry = {
        "path": path.name,
        "sha256": sha256(path),
        "bytes": path.stat().st_size,
        "split": provenance["split"],
        "samples": len(positions),
        "frames": provenance["frames"],
        "measured": measured,
        "provenance": {name: provenance[name] for name in ("drawing", "core_seconds", "platform", "versions")}
        | {"command": f"backmapbench datasets hold-beads --task {provenance['task']}"},
    }
    return _list(cards / f"{card.name}.toml", task.card.name, entry), measured


def _write(path: Path, positions: NDArray[np.float32], topology: mdtraj.Topology, quantum: float) -> None:
    """Store samples (samples, frames, atoms, 3), nm, as one trajectory each."""
    samples, frames, atoms = positions.shape[:3]
    parents = codec.spanning_tree([(a.index, b.index) for a, b in topology.bonds], atoms)
    codec.write(path, Trajectories(positions.reshape(-1, atoms, 3), (frames,) * samples, None), parents, quantum)


def _list(card: Path, task: str, entry: dict[str, Any]) -> Path:
    """Put ``entry`` into the dataset's card under the task's name; returns the card."""
    content = tomllib.loads(card.read_text(encoding="utf-8"))
    content["conditional"] = content.get("conditional", {}) | {task: entry}
    with atomic_write(card) as handle:
        tomli_w.dump(content, handle, multiline_strings=True)
    return card


def _embedded(task: Task) -> tuple[Dataset, EmbeddedCard]:
    if not isinstance(task.dataset, Dataset) or not isinstance(task.dataset.card, EmbeddedCard):
        raise DataError(f"task '{task.card.name}': its data are not embedded, so their beads cannot be held")
    return task.dataset, task.dataset.card
