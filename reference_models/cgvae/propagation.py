"""How errors grow along a chain, step by step, on frames whose atoms are known.

    backmapbench beads FOLDER -t nls-mini-ucg-8
    python -m backmapbench.reference_models.cgvae.propagation FOLDER --dataset nls-mini --row cgvae-2step

Every step is told with the true coarser level in its hands, and with the one that the steps before it predicted; both
are compared with the truth, so it reads the answer and is no row. FOLDER is what ``backmapbench beads`` wrote: of it
the mapping alone is read, and the beads are made of the atoms of ``--split``, which are not those that a task scores
unless one asks for them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from backmapbench.datasets.catalogue import load_dataset
from backmapbench.errors import BackmapbenchError, SubmissionError, UnknownNameError
from backmapbench.reference_models.cgvae.chains import (
    CgvaeChain,
    CgvaeThreeStep,
    CgvaeTwoStep,
    CgvaeTwoStepMode,
    CgvaeTwoStepSeparate,
)
from backmapbench.reference_models.cgvae.given import mapping_of
from backmapbench.reference_models.multistep import about_beads
from backmapbench.reference_models.step_errors import StepError, step_errors
from backmapbench.submissions.protocol import System, TrainingSet

ROWS: dict[str, type[CgvaeTwoStep | CgvaeTwoStepMode | CgvaeTwoStepSeparate | CgvaeThreeStep]] = {
    "cgvae-2step": CgvaeTwoStep,
    "cgvae-2step@mode": CgvaeTwoStepMode,
    "cgvae-2step-separate": CgvaeTwoStepSeparate,
    "cgvae-3step": CgvaeThreeStep,
}


def report(folder: Path, dataset: str, split: str, row: str, weights: Path | None, samples: int, seed: int) -> str:
    """The errors of ``row`` on a split as a table in Markdown; without ``weights`` the delivered ones are taken.

    Raises UnknownNameError for another row, dataset or split, SubmissionError when the folder's mapping is of another
    molecule than the dataset, UnsupportedTaskError where no weights come with the package.
    """
    if row not in ROWS:
        raise UnknownNameError("row", row, list(ROWS))
    model: CgvaeChain = ROWS[row](weights)
    data = load_dataset(dataset)
    system = System(data.topology, mapping_of(folder), data.card.temperature_K)
    if system.mapping.atoms != system.topology.n_atoms:
        raise SubmissionError(
            f"{folder}: beads of {system.mapping.atoms} atoms, {dataset} has {system.topology.n_atoms}; name the "
            "dataset of the folder's task"
        )
    given = data.split(split)
    atoms = given.replace_positions(about_beads(given.positions.astype(np.float64), system.mapping))
    model.fit(system, TrainingSet(data.split("train"), data.split("validation")), seed)
    return table(step_errors(model, system, atoms, samples, seed))


def table(errors: Sequence[StepError]) -> str:
    """Errors as a table in Markdown."""
    lines = ["| step | particles | RMSD, true level given | RMSD, predicted level given | off the beads |"]
    lines += ["|---|---|---|---|---|"]
    lines += [
        f"| {one.name} | {one.particles} | {one.true_angstrom:.3f} Å | {one.predicted_angstrom:.3f} Å "
        f"| {one.beads_angstrom:.3f} Å |"
        for one in errors
    ]
    return "\n".join([*lines, ""])


def main(
    folder: Annotated[Path, typer.Argument(help="Written by `backmapbench beads`; its mapping is taken.")],
    dataset: Annotated[str, typer.Option(help="Dataset of the task.")],
    split: Annotated[str, typer.Option(help="Of the dataset: frames to compare with.")] = "validation",
    row: Annotated[str, typer.Option(help="Of the chains.")] = "cgvae-2step",
    weights: Annotated[Path | None, typer.Option(help="Folder that training wrote; default: delivered.")] = None,
    samples: Annotated[int, typer.Option(min=1, help="Of every frame.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the delivered weights and of the latents.")] = 0,
) -> None:
    """Print how far every step of a chain is from the truth, given the true coarser level and the predicted one."""
    try:
        sys.stdout.write(report(folder, dataset, split, row, weights, samples, seed))
    except BackmapbenchError as error:
        sys.stderr.write(f"error: {error}\n")
        raise typer.Exit(2) from None


if __name__ == "__main__":
    typer.run(main)
