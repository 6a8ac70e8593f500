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
from backmapbench.reference_models.temporal_cvae.facts import parameter_counts, readout_errors, switches, template
from backmapbench.reference_models.temporal_cvae.latent import leading_correlation, principal_components
from backmapbench.reference_models.temporal_cvae.learner import CvaeLearner
from backmapbench.reference_models.temporal_cvae.rollout import Sampler
from backmapbench.reference_models.temporal_cvae.scene import Scene
from backmapbench.reference_models.temporal_cvae.weights import Weights
from backmapbench.submissions.protocol import System

DRAWS = 100  # latents at one condition, as published


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


def _text(weights: Weights, correlation: float, spread: float) -> str:
    return template("page.md.jinja").render(
        model=weights.model,
        course=weights.training,
        counts=parameter_counts(weights.network),
        switches=switches(weights.preset),
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
