"""The page of a trained model: how it was trained, its read-out's errors, its latent space (paper figs. 15 and 16)."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.files import atomic_write
from backmapbench.reference_models.temporal_cvae.grid import Grid
from backmapbench.reference_models.temporal_cvae.latent import leading_correlation, principal_components
from backmapbench.reference_models.temporal_cvae.learner import CvaeLearner
from backmapbench.reference_models.temporal_cvae.rollout import Sampler
from backmapbench.reference_models.temporal_cvae.scene import Scene
from backmapbench.reference_models.temporal_cvae.settings import Preset
from backmapbench.reference_models.temporal_cvae.weights import Weights
from backmapbench.submissions.protocol import System

DRAWS = 100  # latents at one condition, as published
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


def write_page(
    weights: Weights,
    learner: CvaeLearner,
    latents: NDArray[np.float32],
    examples: torch.Tensor,
    system: System,
    folder: Path,
) -> None:
    """Write ``page.md``, ``latent.png`` and ``samples.png`` to ``folder``.

    ``latents`` (pairs, latent): of the training pairs ``examples``.
    """
    with torch.no_grad():
        energies = learner.field(learner.pairs.atoms(examples).double()).cpu().numpy()
    correlation = leading_correlation(latents, energies)
    _picture(folder / "latent.png", lambda axes: _latent(axes, latents, energies, correlation))
    chosen = examples[len(examples) // 2 : len(examples) // 2 + 1]
    atoms, beads = _draws(weights, learner, system, chosen)
    bonds = [(first.index, second.index) for first, second in system.topology.bonds]
    _picture(folder / "samples.png", lambda axes: _samples(axes, atoms, beads, bonds))
    spread = 10 * np.sqrt(((atoms - atoms.mean(0)) ** 2).sum(-1).mean())
    with atomic_write(folder / "page.md", "w") as handle:
        handle.write(_text(weights, correlation, float(spread)))


def readout_errors(preset: Preset) -> NDArray[np.float64]:
    """Rows (coordinate, error of the published read-out, of the corrected one), nm, out to the grid's edge."""
    grid = Grid(preset.grid).double()
    places = torch.linspace(0, grid.edge_nm, STEPS + 1, dtype=torch.float64)[1:]
    points = places[None, :, None].expand(1, STEPS, 3)
    voxels = grid(points)
    found = [grid.locate(voxels), grid.locate_corrected(voxels, preset.readout.power)]
    errors = [(read - points).abs().amax((0, 2)) for read in found]
    result: NDArray[np.float64] = torch.stack([places, *errors], dim=1).numpy()
    return result


def _text(weights: Weights, correlation: float, spread: float) -> str:
    import jinja2

    preset = weights.preset.model_dump()
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("backmapbench.reference_models.temporal_cvae", ""),
        autoescape=False,  # noqa: S701 - Markdown of our own numbers
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.md.jinja").render(
        model=weights.model,
        course=weights.training,
        counts={name: sum(p.numel() for p in part.parameters()) for name, part in weights.network.named_children()},
        switches=[(name, preset[table][entry], words) for name, table, entry, words in SWITCHES],
        errors=readout_errors(weights.preset),
        correlation=correlation,
        spread=spread,
        draws=DRAWS,
    )


def _draws(
    weights: Weights, learner: CvaeLearner, system: System, chosen: torch.Tensor
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Atoms (draws, N, 3) of one condition, the frame before given, and its beads (n, 3), nm."""
    now = learner.pairs.atoms(chosen).numpy()
    before = learner.pairs.atoms_before(chosen).numpy()
    beads = np.asarray(system.mapping.positions(now), dtype=np.float32)
    scene = Scene(weights.preset, system, weights.reference)
    sampler = Sampler(weights.network, scene, weights.mixture)
    drawn = sampler.trajectories(Trajectories(beads, (1,), None), before, DRAWS, 0)
    return drawn[:, 0], beads[0]


def _picture(path: Path, draw: Any) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4), layout="constrained")
    draw(figure.subplots())
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120, metadata={"Software": None})
    with atomic_write(path) as handle:
        handle.write(buffer.getvalue())


def _latent(axes: Any, latents: NDArray[np.float32], energies: NDArray[np.float64], correlation: float) -> None:
    components = principal_components(latents, 2)
    low, high = np.quantile(energies, [0.01, 0.99])
    points = axes.scatter(*components.T, c=energies, s=2, vmin=low, vmax=high, rasterized=True)
    axes.figure.colorbar(points, label="potential energy, kJ/mol")
    axes.set(xlabel="first component", ylabel="second component", title=f"|r| with energy: {correlation:.2f}")


def _samples(axes: Any, atoms: NDArray[np.float32], beads: NDArray[np.float32], bonds: list[tuple[int, int]]) -> None:
    """Sticks in the plane that shows the molecule widest."""
    mean = atoms.mean(axis=0)
    _, _, plane = np.linalg.svd(mean - mean.mean(axis=0))
    flat, dots = ((points - mean.mean(axis=0)) @ plane[:2].T for points in (atoms, beads))
    for first, second in bonds:
        axes.plot(*flat[:, [first, second]].transpose(2, 1, 0), color="C0", alpha=0.08, linewidth=1)
    axes.plot(*dots.T, "o", color="C3", label="beads")
    axes.set(xlabel="nm", ylabel="nm", aspect="equal")
    axes.legend(frameon=False, loc="upper right")
