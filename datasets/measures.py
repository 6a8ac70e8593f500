"""Figures that a dataset card states of its splits, measured when it is packed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np
from numpy.typing import NDArray

from backmapbench.datasets.trajectories import Trajectories

KB = 0.00831446261815324  # kJ/mol/K
CENTRES = {"": ("CA", "N", "C", "CB"), "ILE": ("CB", "CA", "CG1", "CG2"), "THR": ("CB", "CA", "OG1", "CG2")}
"""Stereocentres of the amino acids, with three neighbours that run counter-clockwise seen from the fourth in nature."""
REGIONS = {"alpha": ((-100, -30), (-80, 10)), "beta_and_pp2": ((-180, -45), (90, 180))}
"""phi and psi ranges, degrees."""


def ensemble(data: Trajectories, topology: mdtraj.Topology) -> dict[str, float]:
    """Radius of gyration, spread of the CA trace, Ramachandran shares, inverted and cis residues of a split."""
    frames = mdtraj.Trajectory(data.positions, topology)
    rg = mdtraj.compute_rg(frames)
    ca = topology.select("name CA")
    trace = frames.atom_slice(ca)
    picked = trace[:: max(1, len(trace) // 60)]
    pairs = [mdtraj.rmsd(picked[: i + 1], picked, i)[:i] for i in range(1, len(picked))]
    phi, psi = (np.degrees(angles) for angles in _phi_psi(frames))
    shares = {
        f"{name}_percent": round(100 * float(np.mean(_within(phi, low) & _within(psi, high))), 1)
        for name, (low, high) in REGIONS.items()
    }
    omega = np.degrees(mdtraj.compute_omega(frames)[1])
    return {
        "rg_nm_mean": round(float(rg.mean()), 3),
        "rg_nm_sd": round(float(rg.std()), 3),
        "ca_rmsd_pairwise_median_angstrom": round(10 * float(np.median(np.concatenate(pairs))), 2) if pairs else 0.0,
        **shares,
        "phi_positive_percent": round(100 * float(np.mean(phi > 0)), 1),
        "cis_omega_percent": round(100 * float(np.mean(np.abs(omega) < 90)), 2),
        "inverted_percent": round(100 * _inverted(frames), 3),
    }


def unnatural(frames: mdtraj.Trajectory) -> bool:
    """Whether any frame has an inverted stereocentre, or a peptide bond within 90 degrees of cis."""
    omega = mdtraj.compute_omega(frames)[1]
    return bool(_inverted(frames) > 0 or np.any(np.abs(omega) < np.pi / 2))


def crossings(data: Trajectories, topology: mdtraj.Topology, torsion: Sequence[int]) -> dict[str, Any]:
    """How often a torsion crosses between its two sides, with hysteresis so that grazing 0 does not count.

    A frame is on the positive side once 30 < phi < 120 degrees (alphaL, C7ax), on the negative once phi < -30 degrees,
    and between them where it was last.
    """
    phi = np.degrees(mdtraj.compute_dihedrals(mdtraj.Trajectory(data.positions, topology), [torsion])[:, 0])
    entered = left = 0
    for part in data.slices:
        sides = _sides(phi[part])
        entered += int(((sides[:-1] < 0) & (sides[1:] > 0)).sum())
        left += int(((sides[:-1] > 0) & (sides[1:] < 0)).sum())
    return {
        "phi_positive_percent": round(float(100 * ((phi > 0) & (phi < 120)).mean()), 2),
        "entered_phi_positive": entered,
        "left_phi_positive": left,
    }


def crossings_total(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The same figures over all trajectories (of equal length)."""
    sums = {key: sum(event[key] for event in events) for key in events[0]}
    return sums | {"phi_positive_percent": round(sums["phi_positive_percent"] / len(events), 2)}


def energy_shift(
    exact: Trajectories, stored: Trajectories, topology: Path, force_field: Sequence[str], temperature: float
) -> dict[str, float]:
    """Shift of the mean potential energy by rounding, kT, over every twentieth frame (vacuum, unconstrained)."""
    import openmm
    from openmm import app, unit

    field = app.ForceField(*force_field)
    system = field.createSystem(app.PDBFile(str(topology)).topology, nonbondedMethod=app.NoCutoff, constraints=None)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))

    def energies(positions: NDArray[np.floating]) -> NDArray[np.float64]:
        found = []
        for frame in positions[::20].astype(np.float64):
            context.setPositions(frame)
            found.append(context.getState(getEnergy=True).getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole))
        return np.array(found)

    difference = (energies(stored.positions) - energies(exact.positions)) / (KB * temperature)
    return {
        "mean_energy_shift_kT": round(float(difference.mean()), 4),
        "largest_coordinate_shift_nm": round(float(np.abs(stored.positions - exact.positions).max()), 6),
    }


def _phi_psi(frames: mdtraj.Trajectory) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Backbone phi and psi, radians, (frames, residues) of the residues that have both."""
    phi_atoms, phi = mdtraj.compute_phi(frames)
    psi_atoms, psi = mdtraj.compute_psi(frames)
    centres = {int(atom): column for column, atom in enumerate(psi_atoms[:, 1])}
    both = [(column, centres[int(atom)]) for column, atom in enumerate(phi_atoms[:, 2]) if int(atom) in centres]
    return phi[:, [first for first, _ in both]], psi[:, [second for _, second in both]]


def _within(values: NDArray[np.floating], bounds: tuple[int, int]) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (values >= bounds[0]) & (values < bounds[1])
    return inside


def _inverted(frames: mdtraj.Trajectory) -> float:
    """Share of stereocentres (CA, and CB of isoleucine and threonine) that are mirrored."""
    quads = []
    for residue in frames.topology.residues:
        atoms = {atom.name: atom.index for atom in residue.atoms}
        known = (CENTRES[""], CENTRES.get(residue.name, ("",)))
        quads += [[atoms[name] for name in names] for names in known if set(names) <= set(atoms)]
    centre, one, two, three = np.moveaxis(frames.xyz[:, np.array(quads, dtype=int).reshape(-1, 4)], 2, 0)
    volumes = np.einsum("tri,tri->tr", np.cross(one - centre, two - centre), three - centre)
    return float(np.mean(volumes < 0)) if volumes.size else 0.0


def _sides(phi: NDArray[np.floating]) -> NDArray[np.int8]:
    """+1 or -1 for each frame: the side last visited."""
    sides = np.zeros(len(phi), dtype=np.int8)
    sides[(phi > 30) & (phi < 120)] = 1
    sides[(phi < -30)] = -1
    known = np.flatnonzero(sides)
    if not len(known):
        return sides
    return sides[known[np.clip(np.searchsorted(known, np.arange(len(phi)), side="right") - 1, 0, None)]]
