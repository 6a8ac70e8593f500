"""Prediction folders decoded from the POSTERIOR: rows that read the answer, for comparison with published figures.

Published test scripts decode latents that the encoder drew from the very atoms that are scored. The harness has no way
to do so: it hands a backmapper beads alone. So such a row is made outside of it, by this module, from a dataset's split
and a checkpoint, and enters as a folder of finished predictions that says of itself what it is::

    python -m backmapbench.reference_models.cgvae.posterior FOLDER --dataset nls-mini --split test --weights best.toml

FOLDER is what ``backmapbench beads`` wrote for the task: its beads tell which frames are asked for, and that the atoms
of the split are theirs is checked. ``backmapbench run --model FOLDER`` then scores it.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Annotated

import mdtraj
import numpy as np
import tomli_w
import typer

from backmapbench.datasets.catalogue import load_dataset
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import BackmapbenchError
from backmapbench.files import atomic_write
from backmapbench.reference_models.cgvae.delivery import description_of, row_info
from backmapbench.reference_models.cgvae.given import centred, mapping_of
from backmapbench.reference_models.cgvae.model import Cgvae
from backmapbench.submissions.protocol import System

LABEL = "READS THE ANSWER: the posterior sees the atoms that are scored. "


def posterior_folder(
    folder: Path, topology: mdtraj.Topology, atoms: Trajectories, weights: Path, temperature: float, seed: int
) -> Path:
    """Fill ``folder``, as ``backmapbench beads`` wrote it, with reconstructions of ``atoms``; returns its header.

    ``temperature`` is the ensemble's, K.

    Raises SubmissionError when the folder's beads are not those of ``atoms``, or the weights are of another model or
    for another system.
    """
    system, atoms = System(topology, mapping_of(folder), temperature), centred(folder, atoms)
    model = Cgvae(description_of(weights).behaviour)
    model.load(system, weights)
    found = model.reconstruct(system, atoms, seed)
    for number, part in enumerate(atoms.slices):
        with atomic_write(folder / "sample-0" / f"traj-{number:03d}.npz") as handle:
            np.savez(handle, positions=found[part])
    header = folder / "prediction.toml"
    task = tomllib.loads(header.read_text(encoding="utf-8"))["task"]
    info = row_info(model.behaviour, "posterior")
    content = {
        "name": info.name,
        "task": task,
        "description": LABEL + info.description,
        "citation": info.citation,
        "licence": info.licence,
    }
    with atomic_write(header) as handle:
        tomli_w.dump(content, handle)
    return header


def main(
    folder: Annotated[Path, typer.Argument(help="Written by `backmapbench beads`.")],
    dataset: Annotated[str, typer.Option(help="Dataset of the task.")],
    weights: Annotated[Path, typer.Option(help="Checkpoint (.toml).")],
    split: Annotated[str, typer.Option(help="The scored split.")] = "test",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the latents.")] = 0,
) -> None:
    """Decode a split from the posterior of its own atoms into a prediction folder."""
    try:
        data = load_dataset(dataset)
        header = posterior_folder(folder, data.topology, data.split(split), weights, data.card.temperature_K, seed)
    except BackmapbenchError as error:
        sys.stderr.write(f"error: {error}\n")
        raise typer.Exit(2) from None
    sys.stdout.write(f"{header}\n")


if __name__ == "__main__":
    typer.run(main)
