"""Lennard-Jones and Coulomb energies and forces of all pairs by matrix products, for many conformations at once."""

from __future__ import annotations

import numpy as np
import openmm
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]
CLOSEST = 0.05  # nm; keeps energies of coinciding atoms finite
COULOMB = 138.935456  # kJ/mol nm per squared elementary charge
ELEMENTS = 1 << 16  # pairs held at once: what fits into a core's own cache


class Nonbonded:
    """Screened Coulomb and Lennard-Jones energies, kJ/mol, of atoms three or more bonds apart.

    Squared distances are matrix products, |a - b|^2 = (-2a, |a|^2, 1) . (b, 1, |b|^2), of points moved to their
    common middle, in float64: exact to 1e-14 nm2 for a molecule of some nm.
    """

    def __init__(self, system: openmm.System, dielectric: float, *, across_torsions: bool = True) -> None:
        """Parameters of ``system``'s NonbondedForce; ``dielectric`` screens all charges.

        Without ``across_torsions`` atoms three bonds apart have no Lennard-Jones energy.
        """
        self._strengths = _strengths(nonbonded_force(system), dielectric, across_torsions=across_torsions)

    def with_others(self, chosen: NDArray[np.intp], positions: Floats, atoms: Floats) -> Floats:
        """Energy (rows, draws) of ``chosen`` atoms at ``positions`` (rows, draws, chosen, 3) with all others.

        ``atoms`` (rows, N, 3): where the others are.
        """
        others = np.setdiff1d(np.arange(self._strengths.shape[-1]), chosen)
        rows, draws, count = positions.shape[:3]
        strengths = self._strengths[:, chosen][:, :, others].reshape(3, count, len(others))
        energy = np.empty((rows, draws))
        origin = atoms.mean(axis=1, keepdims=True)
        left = _left(torch.from_numpy(positions - origin[:, None]).reshape(rows, draws * count, 3))
        right = _right(torch.from_numpy(atoms[:, others] - origin))
        for row in range(rows):
            inverse = (left[row] @ right[row]).clamp_min_(CLOSEST**2).reciprocal_()
            energy[row] = _energies(inverse.reshape(draws, -1), strengths.reshape(3, -1)).numpy()
        return energy

    def within(self, chosen: NDArray[np.intp], positions: Floats) -> Floats:
        """Energy (...) of ``chosen`` atoms at ``positions`` (..., chosen, 3) among themselves."""
        points = positions.reshape(-1, len(chosen), 3)
        strengths = self._strengths[:, chosen][:, :, chosen].reshape(3, -1)
        energy = np.empty(len(points))
        depth = max(1, ELEMENTS // max(1, len(chosen) ** 2))
        for start in range(0, len(points), depth):
            part = slice(start, start + depth)
            inverse = _inverse_squares(torch.from_numpy(points[part])).flatten(1)
            energy[part] = 0.5 * _energies(inverse, strengths).numpy()
        return energy.reshape(positions.shape[:-2])

    def forces(self, atoms: Floats) -> Floats:
        """Forces (frames, N, 3), kJ/mol/nm, on atoms (frames, N, 3); none between pairs closer than ``CLOSEST``."""
        repulsion, attraction, charge = -12 * self._strengths[0], 6 * self._strengths[1], self._strengths[2]
        found = np.empty_like(atoms)
        depth = max(1, ELEMENTS // atoms.shape[1] ** 2)
        for start in range(0, len(atoms), depth):
            part = slice(start, start + depth)
            points = torch.from_numpy(atoms[part])
            inverse = _inverse_squares(points)
            third = (inverse * inverse).mul_(inverse)
            # (dE/dr) / r of every pair; the sum over pairs of it times a difference of positions is minus the force
            slope = (repulsion * third).add_(attraction).mul_(third).sub_(inverse.sqrt().mul_(charge)).mul_(inverse)
            slope.masked_fill_(inverse >= 1 / CLOSEST**2, 0.0)
            found[part] = (slope @ points - slope.sum(-1, keepdim=True) * points).numpy()
        return found


def nonbonded_force(system: openmm.System) -> openmm.NonbondedForce:
    """The force with charges."""
    return next(force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))


def plain(quantity: openmm.unit.Quantity) -> float:
    """The number in OpenMM's own units: nm, kJ/mol, elementary charges."""
    return float(quantity.value_in_unit_system(openmm.unit.md_unit_system))


def _left(points: Tensor) -> Tensor:
    square = (points * points).sum(-1, keepdim=True)
    return torch.cat((-2 * points, square, torch.ones_like(square)), -1)


def _right(points: Tensor) -> Tensor:
    square = (points * points).sum(-1, keepdim=True)
    return torch.cat((points, torch.ones_like(square), square), -1).transpose(-1, -2).contiguous()


def _inverse_squares(points: Tensor) -> Tensor:
    """1 / max(distance, CLOSEST)^2 of all pairs: (frames, n, n) for points (frames, n, 3)."""
    centred = points - points.mean(-2, keepdim=True)
    return (_left(centred) @ _right(centred)).clamp_min_(CLOSEST**2).reciprocal_()


def _energies(inverse: Tensor, strengths: Tensor) -> Tensor:
    """Energies (rows,) of inverse squared distances (rows, pairs), which are used up."""
    third = (inverse * inverse).mul_(inverse)
    energy = inverse.sqrt_() @ strengths[2] - third @ strengths[1]
    return energy + third.square_() @ strengths[0]


def _strengths(force: openmm.NonbondedForce, dielectric: float, *, across_torsions: bool) -> Tensor:
    """4 eps sigma^12, 4 eps sigma^6, screened Coulomb strength (3, N, N) of all pairs; zero where none is counted."""
    rows = [force.getParticleParameters(atom) for atom in range(force.getNumParticles())]
    charge, sigma, depth = np.array([[plain(value) for value in row] for row in rows]).T
    charges = charge[:, None] * charge
    sigma, depth = 0.5 * (sigma[:, None] + sigma), np.sqrt(depth[:, None] * depth)
    for number in range(force.getNumExceptions()):
        first, second, *values = force.getExceptionParameters(number)
        ends = [first, second], [second, first]
        charges[ends], sigma[ends], depth[ends] = (plain(value) for value in values)
        if not across_torsions:
            depth[ends] = 0.0
    np.fill_diagonal(charges, 0.0)
    np.fill_diagonal(depth, 0.0)
    sixth = sigma**6
    return torch.from_numpy(np.stack([4 * depth * sixth**2, 4 * depth * sixth, COULOMB / dielectric * charges]))
