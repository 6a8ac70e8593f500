"""Pictures of a dataset: Ramachandran map, TICA map, radius of gyration, energies, beads on a structure."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import mdtraj
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from backmapbench.coarse_graining import CoarseMapping
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.force_field import TorchForceField, scoring_system

STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "describe",
}
BINS = 60
ENERGY_FRAMES = 2000
TICA_LAG = 5
KB = 0.00831446261815324  # kJ/mol/K


def to_svg(figure: Figure) -> str:
    """The figure as SVG text, the same bytes every time."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None}, bbox_inches="tight")
    return buffer.getvalue()[buffer.getvalue().index("<svg") :]


def ramachandran(splits: Mapping[str, Trajectories], topology: mdtraj.Topology) -> Figure | None:
    """Share of residues per 6 x 6 degree cell of (phi, psi), one panel a split; None without such torsions."""
    maps = {}
    for name, data in splits.items():
        angles = _phi_psi(data, topology)
        if angles is not None:
            edges = np.linspace(-180, 180, BINS + 1)
            maps[name] = np.histogram2d(angles[0], angles[1], bins=[edges, edges], density=True)[0]
    return _maps(maps, (-180, 180, -180, 180), "phi / degrees", "psi / degrees")


def tica(splits: Mapping[str, Trajectories], topology: mdtraj.Topology) -> Figure | None:
    """Two TICA components of all CA-CA distances, fitted on the first split; None without time or with too few CA."""
    from deeptime.decomposition import TICA

    ca = topology.select("name CA")
    first = next(iter(splits.values()))
    if first.frame_ps is None or len(ca) < 4 or min(first.lengths) <= TICA_LAG:
        return None
    fitted = TICA(lagtime=TICA_LAG, dim=2).fit([_distances(part, ca) for part in first]).fetch_model()
    points = {name: fitted.transform(_distances(data.positions, ca)) for name, data in splits.items()}
    everything = np.concatenate(list(points.values()))
    bounds = [*np.quantile(everything[:, 0], [0.001, 0.999]), *np.quantile(everything[:, 1], [0.001, 0.999])]
    edges = [np.linspace(bounds[0], bounds[1], BINS + 1), np.linspace(bounds[2], bounds[3], BINS + 1)]
    maps = {name: np.histogram2d(xy[:, 0], xy[:, 1], bins=edges, density=True)[0] for name, xy in points.items()}
    return _maps(maps, (bounds[0], bounds[1], bounds[2], bounds[3]), "TICA 1", "TICA 2")


def gyration(splits: Mapping[str, Trajectories], topology: mdtraj.Topology) -> Figure:
    """Histograms of the mass-weighted radius of gyration, nm."""
    masses = np.array([atom.element.mass for atom in topology.atoms])
    values = {name: _rg(data.positions, masses) for name, data in splits.items()}
    return _histograms(values, "radius of gyration / nm")


def energies(
    splits: Mapping[str, Trajectories],
    topology_path: str,
    force_field: tuple[str, ...],
    temperature_K: float,  # noqa: N803 - the unit keeps its case
) -> Figure | None:
    """Histograms of the potential energy in vacuum, kT, of up to 2000 frames a split; None without a force field."""
    if not force_field:
        return None
    import torch

    field = TorchForceField.from_system(scoring_system(topology_path, force_field))
    values = {}
    for name, data in splits.items():
        frames = data.positions[:: max(1, len(data) // ENERGY_FRAMES)]
        with torch.no_grad():
            values[name] = field(torch.as_tensor(np.asarray(frames), dtype=torch.float64)).numpy() / (
                KB * temperature_K
            )
    return _histograms(values, "potential energy in vacuum / kT")


def beads_on_structure(data: Trajectories, topology: mdtraj.Topology, mapping: CoarseMapping, title: str) -> Figure:
    """The first frame seen along its shortest axis: bonds of heavy atoms, coloured by bead, and the beads."""
    frame = np.asarray(data.positions[0], dtype=np.float64)
    centred = frame - frame.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2]
    flat = centred @ axes[:2].T
    spots = (mapping.positions(frame[None])[0] - frame.mean(axis=0)) @ axes[:2].T
    columns = mapping.weights.tocsc()
    owner = {atom: int(columns[:, [atom]].tocoo().row[0]) for atom in np.flatnonzero(np.diff(columns.indptr))}
    palette = mpl.colormaps["tab20"]
    figure = Figure(figsize=(4.5, 4.0))
    panel = figure.add_subplot()
    for one, two in topology.bonds:
        if one.element.symbol != "H" and two.element.symbol != "H":
            bead = owner.get(one.index, owner.get(two.index))
            colour = "0.75" if bead is None else palette(bead % 20)
            panel.plot(*flat[[one.index, two.index]].T, color=colour, linewidth=1.0, solid_capstyle="round")
    panel.scatter(
        spots[:, 0],
        spots[:, 1],
        s=90,
        c=[palette(i % 20) for i in range(len(spots))],
        edgecolors="black",
        zorder=3,
        alpha=0.8,
    )
    panel.set(aspect="equal", xlabel="nm", ylabel="nm", title=title)
    return figure


def _phi_psi(data: Trajectories, topology: mdtraj.Topology) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    frames = mdtraj.Trajectory(data.positions[:: max(1, len(data) // 20000)], topology)
    phi_atoms, phi = mdtraj.compute_phi(frames)
    psi_atoms, psi = mdtraj.compute_psi(frames)
    columns = {int(atom): column for column, atom in enumerate(psi_atoms[:, 1])} if psi_atoms.size else {}
    both = [(i, columns[int(atom)]) for i, atom in enumerate(phi_atoms[:, 2]) if int(atom) in columns]
    if not both:
        return None
    first, second = zip(*both, strict=True)
    return np.degrees(phi[:, first]).ravel(), np.degrees(psi[:, second]).ravel()


def _distances(frames: NDArray[np.float32], ca: NDArray[np.intp]) -> NDArray[np.float64]:
    first, second = np.triu_indices(len(ca), 1)
    trace = np.asarray(frames, dtype=np.float64)[:, ca]
    return np.asarray(np.linalg.norm(trace[:, first] - trace[:, second], axis=-1))


def _rg(frames: NDArray[np.float32], masses: NDArray[np.float64]) -> NDArray[np.float64]:
    xyz = np.asarray(frames, dtype=np.float64)
    centre = np.einsum("a,tai->ti", masses, xyz) / masses.sum()
    squares = ((xyz - centre[:, None]) ** 2).sum(axis=-1) @ masses / masses.sum()
    return np.asarray(np.sqrt(squares))


def _maps(
    maps: Mapping[str, NDArray[np.float64]], extent: tuple[float, float, float, float], x: str, y: str
) -> Figure | None:
    if not maps:
        return None
    figure = Figure(figsize=(2.6 * len(maps), 2.8), layout="constrained")
    for place, (name, density) in enumerate(maps.items(), start=1):
        panel = figure.add_subplot(1, len(maps), place)
        with np.errstate(divide="ignore"):
            surface = -np.log(density / density.max())
        surface[~np.isfinite(surface)] = np.nan
        shown = panel.imshow(surface.T, origin="lower", extent=extent, aspect="auto", cmap="viridis", vmin=0, vmax=8)
        panel.set(title=name, xlabel=x, ylabel=y if place == 1 else "")
    figure.colorbar(shown, ax=figure.axes, label="-ln(density / highest)")
    return figure


def _histograms(values: Mapping[str, NDArray[np.float64]], x: str) -> Figure:
    pooled = np.concatenate(list(values.values()))
    low, high = (float(value) for value in np.quantile(pooled, [0.001, 0.999]))
    edges = np.linspace(low, high, BINS + 1).tolist()
    figure = Figure(figsize=(5.0, 2.8), layout="constrained")
    panel = figure.add_subplot()
    for name, found in values.items():
        panel.hist(found, edges, density=True, histtype="step", label=f"{name}, mean {found.mean():.4g}")
    panel.set(xlabel=x, ylabel="density")
    panel.legend(frameon=False, fontsize=8)
    return figure
