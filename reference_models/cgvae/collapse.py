"""The share of atoms that ``cgvae`` leaves exactly on their bead, for every bead of a task.

With the published decoder cutoff a bead without another one in reach receives no message, its vectors stay 0 and all
its atoms sit on it: the row of bead centre. How far that goes depends on the beads, so it is told bead by bead::

    backmapbench beads FOLDER -t nls-mini-ucg-8
    python -m backmapbench.reference_models.cgvae.collapse FOLDER --behaviour legacy

takes the weights that come with the package (or ``--weights``) and draws from the prior, as the row on the board does.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer
from scipy.spatial.distance import cdist

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import BackmapbenchError, SubmissionError, UnsupportedTaskError
from backmapbench.reference_models.cgvae.delivery import delivered
from backmapbench.reference_models.cgvae.given import beads_of, mapping_of, topology_of
from backmapbench.reference_models.cgvae.model import Cgvae
from backmapbench.reference_models.cgvae.settings import Behaviour, preset_for
from backmapbench.reference_models.cgvae.structure import Structure
from backmapbench.submissions.protocol import System

ON_BEAD_NM = 1e-5  # float32 of coordinates of a few nm has errors a tenth of it
TEMPERATURE_K = 300.0  # part of a system, and without effect on its beads


@dataclass(frozen=True)
class BeadShare:
    """What happened to one bead.

    Attributes:
        name: of the bead.
        atoms: that hang on it.
        on_bead: share of them on the bead's position, mean over frames.
        nearest_angstrom: mean distance to the nearest other bead.
    """

    name: str
    atoms: int
    on_bead: float
    nearest_angstrom: float


def shares(model: Cgvae, system: System, beads: Trajectories, seed: int) -> list[BeadShare]:
    """Shares by bead of one sample per frame. Raises SubmissionError as ``Cgvae.backmap`` does."""
    owner = Structure.of(system).bead
    found = model.backmap(system, beads, 1, seed)[0]
    on_bead = np.linalg.norm(found - beads.positions[:, owner], axis=-1) < ON_BEAD_NM
    apart = np.stack([cdist(frame, frame) + np.diag(np.full(len(frame), np.inf)) for frame in beads.positions])
    nearest = 10.0 * apart.min(axis=-1).mean(axis=0)
    return [
        BeadShare(
            name,
            int((owner == number).sum()),
            float(on_bead[:, owner == number].mean()),
            float(nearest[number]),
        )
        for number, name in enumerate(system.mapping.bead_names)
    ]


def table(rows: list[BeadShare]) -> str:
    """The shares as a table in Markdown, the whole molecule last."""
    lines = ["| bead | atoms | on the bead | nearest bead |", "|---|---|---|---|"]
    lines += [f"| {r.name} | {r.atoms} | {100 * r.on_bead:.1f} % | {r.nearest_angstrom:.1f} Å |" for r in rows]
    atoms = sum(row.atoms for row in rows)
    whole = sum(row.atoms * row.on_bead for row in rows) / atoms
    return "\n".join([*lines, f"| all | {atoms} | {100 * whole:.1f} % | |", ""])


def main(
    folder: Annotated[Path, typer.Argument(help="Written by `backmapbench beads`.")],
    behaviour: Annotated[Literal["legacy", "fixed"], typer.Option(help="Of the model.")] = "legacy",
    weights: Annotated[Path | None, typer.Option(help="Checkpoint (.toml); default: delivered.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the delivered weights and of the latents.")] = 0,
) -> None:
    """Print the share of atoms that sit exactly on their bead, by bead."""
    try:
        system, beads = System(topology_of(folder), mapping_of(folder), TEMPERATURE_K), beads_of(folder)
        model = Cgvae(behaviour)
        model.load(system, weights or _delivered(behaviour, system, seed))
        sys.stdout.write(table(shares(model, system, beads, seed)))
    except BackmapbenchError as error:
        sys.stderr.write(f"error: {error}\n")
        raise typer.Exit(2) from None


def _delivered(behaviour: Behaviour, system: System, seed: int) -> Path:
    structure = Structure.of(system)
    try:
        preset = preset_for(len(structure.names), structure.beads)
    except UnsupportedTaskError as error:
        raise SubmissionError(f"{error}, and give --weights") from error
    path = delivered(behaviour, preset, structure.fingerprint, seed)
    if path is None:
        raise SubmissionError(f"no weights of cgvae-{behaviour}, seed {seed}, come with the package; give --weights")
    return path


if __name__ == "__main__":
    typer.run(main)
