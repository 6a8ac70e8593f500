"""What a force field is made of, as plain numbers: read from an OpenMM System, turned into tensors by the terms."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from backmapbench.errors import BackmapbenchError

ELECTRIC_CONSTANT = 138.93545764438198
"""1 / (4 pi epsilon_0) in kJ nm/(mol e^2), from the CODATA 2018 constants, as OpenMM has it."""


class ForceFieldError(BackmapbenchError):
    """A force of a System that has no counterpart here, or a topology that a force field does not fit."""


@dataclass(frozen=True)
class ImplicitSolvent:
    """Generalised Born solvent: Onufriev, Bashford, Case 2004 (OBC) or Mongan et al. 2007, Nguyen et al. 2013 (GBn).

    Attributes:
        charge: (atoms,) in e.
        offset_radius: (atoms,) intrinsic radius less the offset, nm.
        scaled_radius: (atoms,) descreening radius, nm.
        radius: (atoms,) intrinsic radius, nm.
        rescaling: (3, atoms), alpha, beta and gamma of tanh(alpha psi - beta psi^2 + gamma psi^3).
        engulfed: whether an atom inside another's descreening sphere gets the extra term of Hawkins et al. 1996, as in
            OpenMM's GBSAOBCForce but not in its CustomGBForce models.
        inner: 1 / solute dielectric times the electric constant, kJ nm/(mol e^2).
        outer: 1 / solvent dielectric times the electric constant.
        kappa: inverse Debye length, 1/nm.
        surface: non-polar energy per area times 4 pi, kJ/(mol nm^2); 0 for none.
        neck: None, or (distance, height times the neck scale) of the neck integral, (atoms, atoms) each, nm and 1/nm.
        neck_cutoff: gap between two intrinsic spheres beyond which there is no neck, nm.
    """

    charge: NDArray[np.float64]
    offset_radius: NDArray[np.float64]
    scaled_radius: NDArray[np.float64]
    radius: NDArray[np.float64]
    rescaling: NDArray[np.float64]
    engulfed: bool
    inner: float
    outer: float
    kappa: float
    surface: float
    neck: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
    neck_cutoff: float = 0.0


@dataclass
class Interactions:
    """Every interaction of a System, grouped by functional form. Energies in kJ/mol, lengths in nm, angles in radians.

    Attributes:
        atoms: number of particles.
        bonds: (i, j, length, k), energy k (r - length)^2 / 2: bonds and Urey-Bradley terms alike.
        angles: (i, j, k, angle, constant), energy constant (theta - angle)^2 / 2.
        torsions: (i, j, k, l, n, phase, constant), energy constant (1 + cos(n phi - phase)).
        polynomials: (i, j, k, l, c0..c5), energy sum of c_m cos^m(phi - pi) (Ryckaert-Bellemans).
        harmonic_torsions: (i, j, k, l, angle, constant, period), energy constant d^2 / 2 with d = |phi - angle|, or the
            smaller of that and period - d; the period is infinite where phi in (-pi, pi] enters as it is.
        maps: energies (size, size) of each CMAP, first angle along the first axis, from 0 in steps of 2 pi / size.
        mapped: (map, four atoms of the first torsion, four atoms of the second).
        repulsion: (atoms, atoms) upper triangle, energy repulsion / r^12.
        attraction: (atoms, atoms) upper triangle, energy -attraction / r^6.
        charge: (atoms, atoms) upper triangle, energy charge / r, the electric constant included.
        lennard_jones_14: (i, j, repulsion, attraction) of pairs whose interaction replaces the general one.
        coulomb_14: (i, j, charge) of such pairs.
        constraints: (i, j).
        solvents: implicit solvent models.
    """

    atoms: int
    bonds: list[tuple[float, ...]] = field(default_factory=list)
    angles: list[tuple[float, ...]] = field(default_factory=list)
    torsions: list[tuple[float, ...]] = field(default_factory=list)
    polynomials: list[tuple[float, ...]] = field(default_factory=list)
    harmonic_torsions: list[tuple[float, ...]] = field(default_factory=list)
    maps: list[NDArray[np.float64]] = field(default_factory=list)
    mapped: list[tuple[int, ...]] = field(default_factory=list)
    repulsion: NDArray[np.float64] = field(init=False)
    attraction: NDArray[np.float64] = field(init=False)
    charge: NDArray[np.float64] = field(init=False)
    lennard_jones_14: list[tuple[float, ...]] = field(default_factory=list)
    coulomb_14: list[tuple[float, ...]] = field(default_factory=list)
    constraints: list[tuple[int, int]] = field(default_factory=list)
    solvents: list[ImplicitSolvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.repulsion, self.attraction, self.charge = np.zeros((3, self.atoms, self.atoms))

    def bonded(self) -> set[tuple[int, int]]:
        """Pairs (i < j) that are covalently bonded: arms of angles, and bonds or constraints that span no angle."""
        arms = {_pair(*ends) for i, j, k, *_ in self.angles for ends in ((i, j), (j, k))}
        spans = self.spans() - arms
        stretches = {_pair(i, j) for i, j, *_ in [*self.bonds, *self.constraints]}
        return arms | (stretches - spans)

    def spans(self) -> set[tuple[int, int]]:
        """Pairs (i < j) that are the two ends of an angle."""
        return {_pair(i, k) for i, _, k, *_ in self.angles}


def table(rows: list[tuple[float, ...]], atoms: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rows of interactions as indices (atoms, rows) and parameters (parameters, rows); ``atoms`` of them come first."""
    values = np.array(rows, dtype=np.float64).T
    return values[:atoms].astype(np.int64), values[atoms:]


def _pair(i: float, j: float) -> tuple[int, int]:
    return (int(min(i, j)), int(max(i, j)))
