"""A System whose beads are held: atoms that are beads are frozen, centroids are restrained and put right afterwards."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from backmapbench.datasets.simulation.recipe import Recipe
from backmapbench.datasets.simulation.systems import Built
from backmapbench.errors import CardError

FROZEN_AMU = 1e15
"""Mass of a frozen atom. At any temperature here it drifts by less than 1e-6 nm in 10 ps, and unlike an atom of mass 0
it may keep its constraints, so bonds to hydrogen stay as rigid as in the run that made the frames."""
RESTRAINT_PER_PS = 100.0
"""Angular frequency of a held centroid. At steps of 2 or 4 fs it turns by 0.2 to 0.4 rad a step, so it is integrated
well; a bead of 70 amu then scatters by 0.002 nm at 300 K."""
STRAIN = 1e4
"""How much a change of a bond weighs against moving an atom when a centroid is put on its bead."""


@dataclass(frozen=True, eq=False)
class Held:
    """A System with held beads.

    Attributes:
        system: OpenMM System; its restraints, if any, have their targets set by ``aim``.
        weights: float64 (beads, atoms): beads are these means of atoms.
        restraint: the force that holds centroids, None where atoms are frozen.
        rotors: int (rotors, 3): hydrogens of methyl and ammonium groups, which cannot be told apart.
        correction: float64 (atoms, beads): displacement of the atoms that moves one bead by 1 and leaves the others.
    """

    system: Any
    weights: NDArray[np.float64]
    restraint: Any
    rotors: NDArray[np.intp]
    correction: NDArray[np.float64]

    def aim(self, beads: NDArray[np.float64]) -> None:
        """Hold the beads at ``beads`` (beads, 3), nm, in Contexts made from now on; frozen atoms just stay."""
        if self.restraint is not None:
            for bead, target in enumerate(beads):
                groups, parameters = self.restraint.getBondParameters(bead)
                self.restraint.setBondParameters(bead, groups, [*target, parameters[3]])

    def put_right(
        self, positions: NDArray[np.float64], beads: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], float]:
        """Positions (atoms, 3) with the beads exactly on ``beads``, and how far the worst one was off, nm."""
        off = beads - self.weights @ positions
        return positions + self.correction @ off, float(np.linalg.norm(off, axis=1).max())

    def turn_rotors(self, positions: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
        """Positions (atoms, 3) with each rotor turned by 0, 1 or 2 thirds, all equally probable.

        Its hydrogens take each other's places, so neither energy nor beads change and the turn keeps the Boltzmann
        distribution exactly. A free methyl group needs tens of picoseconds for it.
        """
        turned = positions.copy()
        for rotor, thirds in zip(self.rotors, rng.integers(3, size=len(self.rotors)), strict=True):
            turned[rotor] = positions[np.roll(rotor, thirds)]
        return turned


def hold(recipe: Recipe, one: Built, weights: NDArray[np.float64]) -> Held:
    """Hold the beads ``weights`` (beads, solute atoms) of the molecule ``one``.

    Where every bead is one atom these are frozen. Otherwise each centroid is tied to its bead by a stiff spring.

    Raises CardError for a recipe with explicit solvent (the solvent of stored frames is not known) and for beads that
    are not independent of each other.
    """
    if "solvent" in recipe.settings:
        raise CardError(
            f"{recipe.path}: beads cannot be held in explicit solvent, whose positions are not stored with the frames; "
            "use a recipe with implicit solvent"
        )
    if np.linalg.matrix_rank(weights) < len(weights):
        raise CardError(f"{recipe.path}: beads depend on each other and cannot all be held; remove the dependent ones")
    system = copy.deepcopy(one.system)
    single = bool(((weights != 0).sum(axis=1) == 1).all())
    for atom in np.flatnonzero(weights.any(axis=0)) if single else ():
        system.setParticleMass(int(atom), FROZEN_AMU)
    restraint = None if single else _tie(system, one.masses, weights)
    return Held(system, weights, restraint, _rotors(one.topology, weights), _correction(one.topology, weights))


def _tie(system: Any, masses: NDArray[np.float64], weights: NDArray[np.float64]) -> Any:
    """A spring from each centroid to its bead; stiff in proportion to the bead's inertia, so all move alike fast."""
    import openmm

    force = openmm.CustomCentroidBondForce(1, "0.5*stiffness*((x1-x0)^2+(y1-y0)^2+(z1-z0)^2)")
    for name in ("x0", "y0", "z0", "stiffness"):
        force.addPerBondParameter(name)
    for row in weights:
        atoms = np.flatnonzero(row)
        inertia = 1.0 / np.sum(row[atoms] ** 2 / masses[atoms])  # of the weighted mean as one coordinate
        group = force.addGroup(atoms.tolist(), row[atoms].tolist())
        force.addBond([group], [0.0, 0.0, 0.0, RESTRAINT_PER_PS**2 * float(inertia)])
    system.addForce(force)
    return force


def _rotors(topology: Any, weights: NDArray[np.float64]) -> NDArray[np.intp]:
    """Hydrogens of XH3 groups with one other neighbour, which weigh the same in every bead: (rotors, 3)."""
    neighbours: dict[Any, list[Any]] = {atom: [] for atom in topology.atoms()}
    for bond in topology.bonds():
        neighbours[bond.atom1].append(bond.atom2)
        neighbours[bond.atom2].append(bond.atom1)
    found = []
    for bound in neighbours.values():
        hydrogens = [atom.index for atom in bound if atom.element.symbol == "H"]
        if len(hydrogens) == 3 and len(bound) == 4 and not np.ptp(weights[:, hydrogens], axis=1).any():
            found.append(sorted(hydrogens))
    return np.array(found, dtype=np.intp).reshape(-1, 3)


def _correction(topology: Any, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Displacements (atoms, beads) that move each bead by 1 and strain bonds least.

    They minimise sum |u|^2 + STRAIN sum over bonds |u_i - u_j|^2 under weights u = identity: whole neighbourhoods move
    with a centroid, atoms in no bead among them, rather than single atoms out of their bonds.
    """
    atoms = weights.shape[1]
    pairs = np.array([(bond.atom1.index, bond.atom2.index) for bond in topology.bonds()], dtype=np.intp).reshape(-1, 2)
    edges = sparse.coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(atoms, atoms)).toarray()
    edges += edges.T
    cost = np.eye(atoms) + STRAIN * (np.diag(edges.sum(axis=1)) - edges)
    spread = np.linalg.solve(cost, weights.T)
    displacement: NDArray[np.float64] = spread @ np.linalg.inv(weights @ spread)
    return displacement
