"""What a page tells of a preset alone, without training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from backmapbench.reference_models.temporal_cvae.grid import Grid
from backmapbench.reference_models.temporal_cvae.network import VoxelCvae
from backmapbench.reference_models.temporal_cvae.settings import Preset

if TYPE_CHECKING:
    import jinja2

STEPS = 8  # rows of the read-out's table
SWITCHES = (
    ("kernel", "grid", "kernel_form", "exp(-r^2 / s) in the code, exp(-r^2 / 2 sigma^2) in the paper"),
    ("grid points", "grid", "points", "cell centres in the code, end points on the width in the paper"),
    ("rotations", "pairs", "orientation", "uniform in the code, Euler angles in the paper"),
    ("pairs", "pairs", "indexing", "the code leaves out one pair a trajectory"),
    ("KL weight", "loss", "kl_scale", "mini-batch / training pairs in the code, 1 in the paper"),
    ("comparison", "loss", "recentred", "predictions on their own centroid first in the code, raw in the paper"),
    ("energy unit", "energy", "unit", "standard deviations in the code, kJ/mol in the paper"),
    ("energy cap", "energy", "cap_on", "on the squared error in the code, on the energy in the paper"),
    ("latent heads", "network", "heads", "log-variance in the code, deviation in the paper"),
    ("residual", "network", "residual", "half the sum in the code, the sum in the paper"),
    ("normalisation", "network", "norm", "one group with weights per channel in the code, LayerNorm in the paper"),
)
"""What paper and published code say differently: name, table and entry of the preset, in words."""


def readout_errors(preset: Preset, coordinates: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Rows (coordinate, error of the published read-out, of the corrected one), nm.

    Of points whose three coordinates are alike; without ``coordinates`` of a few out to the grid's edge.
    """
    grid = Grid(preset.grid).double()
    places = torch.linspace(0, grid.edge_nm, STEPS + 1, dtype=torch.float64)[1:]
    if coordinates is not None:
        places = torch.from_numpy(coordinates)
    points = places[None, :, None].expand(1, len(places), 3)
    voxels = grid(points)
    found = [grid.locate(voxels), grid.locate_corrected(voxels, preset.readout.power)]
    errors = [(read - points).abs().amax((0, 2)) for read in found]
    result: NDArray[np.float64] = torch.stack([places, *errors], dim=1).numpy()
    return result


def switches(preset: Preset) -> list[tuple[str, Any, str]]:
    """Name, value in this preset and meaning of each switch between paper and published code."""
    content = preset.model_dump()
    return [(name, content[table][entry], words) for name, table, entry, words in SWITCHES]


def parameter_counts(network: VoxelCvae) -> dict[str, int]:
    """Number of parameters of ``encoder`` and ``decoder``."""
    return {name: sum(p.numel() for p in part.parameters()) for name, part in network.named_children()}


def template(name: str) -> jinja2.Template:
    """A template of this package."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("backmapbench.reference_models.temporal_cvae", ""),
        autoescape=False,  # noqa: S701 - Markdown of our own numbers
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(name)
