"""The page of the published presets: grid, network, switches and read-out, all of which need no training.

::

    python -m backmapbench.reference_models.temporal_cvae.published --output docs/models/temporal-cvae-paper/page.md

writes the page of ``adp-paper`` and ``cln-paper``; without ``--output`` it is printed.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from backmapbench.files import atomic_write
from backmapbench.reference_models.temporal_cvae.facts import parameter_counts, readout_errors, switches, template
from backmapbench.reference_models.temporal_cvae.fitting import PACKAGE
from backmapbench.reference_models.temporal_cvae.grid import Grid
from backmapbench.reference_models.temporal_cvae.network import Sizes, VoxelCvae
from backmapbench.reference_models.temporal_cvae.settings import Preset
from backmapbench.reference_models.training.presets import read_preset

SCANNED = 2001  # coordinates behind the table
ROUNDING_NM = 1e-9  # an error below is rounding, which differs from machine to machine


@dataclass(frozen=True)
class Published:
    """A published preset and its molecule.

    Attributes:
        preset: its name.
        molecule: in words.
        atoms: N.
        beads: n.
        millions: of parameters, as published (SI).
        exact_nm: coordinates up to which the published read-out has errors below 0.001 nm.
        step_nm: between the table's rows.
    """

    preset: str
    molecule: str
    atoms: int
    beads: int
    millions: float
    exact_nm: float
    step_nm: float


PUBLISHED = (
    Published("adp-paper", "alanine dipeptide", 22, 6, 1.2, 0.40, 0.05),
    Published("cln-paper", "chignolin", 175, 10, 4.9, 1.2, 0.15),
)


def largest_errors(preset: Preset, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows (coordinate, largest error of the published read-out up to there, of the corrected one), nm."""
    scanned = np.linspace(0.0, Grid(preset.grid).edge_nm, SCANNED)
    errors = readout_errors(preset, np.union1d(scanned, places))
    largest = [errors[errors[:, 0] <= place, 1:].max(axis=0) for place in places]
    return np.column_stack([places, np.array(largest)])


def text() -> str:
    """The page, in Markdown."""
    return template("published.md.jinja").render(sections=[_section(each) for each in PUBLISHED], rounding=ROUNDING_NM)


def _section(published: Published) -> dict[str, Any]:
    preset = read_preset(PACKAGE, published.preset, Preset)
    grid = Grid(preset.grid)
    voxel = preset.grid.width_nm / preset.grid.cells
    regular = np.arange(published.exact_nm, grid.edge_nm, published.step_nm)
    places = np.union1d(regular, [grid.edge_nm - voxel, grid.edge_nm])
    return {
        "published": published,
        "preset": preset,
        "grid": grid,
        "voxel_nm": voxel,
        "counts": parameter_counts(VoxelCvae(Sizes(published.atoms, published.beads, grid.cells), preset.network)),
        "switches": switches(preset),
        "errors": largest_errors(preset, places),
    }


def main(
    output: Annotated[Path | None, typer.Option(help="File to write; default: print.")] = None,
) -> None:
    """Print the page of the published presets."""
    if output is None:
        sys.stdout.write(text())
        return
    with atomic_write(output, "w") as handle:
        handle.write(text())


if __name__ == "__main__":
    typer.run(main)
