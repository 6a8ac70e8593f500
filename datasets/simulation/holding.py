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

RESTRAINT_PER_PS = 100.0
"""Angular frequency of a held centroid. At the half step of a recipe that holding uses (1 or 2 fs) it turns by 0.1 to
0.2 rad a step, so it is integrated well; a bead of 70 amu then scatters by 0.002 nm at 300 K."""
STRAIN = 1e4
"""How much a change of a bond weighs against moving an atom when a centroid is put on its bead."""


@dataclass(frozen=True, eq=False)
class Held:
    """A System with held beads.

    Attributes:
        system: OpenMM System; its restraints, if any, have their targets set by ``aim``.
        weights: float64 (beads, atoms): beads are these means of atoms.
        frozen: atom of each bead, empty where beads are centroids.
        restraint: the force that holds centroids, None where atoms are frozen.
        freed: bonds (fixed atom, other atom) whose constraint had to go, as a frozen atom can have none.
        lengths: their lengths, nm.
        correction: float64 (atoms, beads): displacement of the atoms that moves one bead by 1 and leaves the others.
    """

    system: Any
    weights: NDArray[np.float64]
    frozen: NDArray[np.intp]
    restraint: Any
    freed: NDArray[np.intp]
    lengths: NDArray[np.float64]
    correction: NDArray[np.float64]

    def aim(self, beads: NDArray[np.float64]) -> None:
        """Hold the beads at ``beads`` (beads, 3), nm, in Contexts made from now on. Frozen atoms stay where they start."""
        if self.restraint is not None:
            for bead, target in enumerate(beads):
                groups, parameters = self.restraint.getBondParameters(bead)
                self.restraint.setBondParameters(bead, groups, [*target, parameters[3]])

    def put_right(
        self, positions: NDArray[np.float64], beads: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], float]:
        """Positions (atoms, 3) with the beads exactly on ``beads``, and how far the worst one was off, nm.

        Bonds that lost their constraint get its length again: their vibration is an artefact of holding.
        """
        off = beads - self.weights @ positions
        xyz = positions + self.correction @ off
        if len(self.freed):
            fixed, free = self.freed.T
            bond = xyz[free] - xyz[fixed]
            xyz[free] = xyz[fixed] + bond * (self.lengths / np.linalg.norm(bond, axis=1))[:, None]
        return xyz, float(np.linalg.norm(off, axis=1).max())


def hold(recipe: Recipe, one: Built, weights: NDArray[np.float64]) -> Held:
    """Hold the beads ``weights`` (beads, solute atoms) of the molecule ``one``.

    Where every bead is one atom these are frozen (mass 0). OpenMM allows no constraint on a frozen atom, so its bonds
    to hydrogen become flexible. Otherwise each centroid is tied to its bead by a stiff spring.

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
    frozen = np.argmax(weights != 0, axis=1).astype(np.intp) if single else np.zeros(0, dtype=np.intp)
    bonds, lengths = _freeze(system, recipe, one, frozen)
    restraint = None if single else _tie(system, one.masses, weights)
    return Held(system, weights, frozen, restraint, bonds, lengths, _correction(one.topology, weights))


def _freeze(
    system: Any, recipe: Recipe, one: Built, frozen: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Freeze atoms in place; returns the bonds (frozen, other) that became flexible and their constrained lengths, nm."""
    fixed = {int(atom) for atom in frozen}
    for atom in fixed:
        system.setParticleMass(atom, 0.0)
    found: dict[tuple[int, int], float] = {}
    for index in reversed(range(system.getNumConstraints())):
        first, second, length = system.getConstraintParameters(index)
        if first in fixed or second in fixed:
            system.removeConstraint(index)
            found[(first, second) if first in fixed else (second, first)] = length._value  # noqa: SLF001 - nm
    _make_flexible(system, recipe, one, found)
    moving = {bond: length for bond, length in found.items() if bond[1] not in fixed}
    return np.array(list(moving), dtype=np.intp).reshape(-1, 2), np.array(list(moving.values()))


def _make_flexible(system: Any, recipe: Recipe, one: Built, bonds: dict[tuple[int, int], float]) -> None:
    """Give ``bonds``, which were constrained, the force field's harmonic terms."""
    import openmm
    from openmm import app

    if not bonds:
        return
    flexible = app.ForceField(*recipe.settings["force_field"]["files"]).createSystem(one.topology, constraints=None)
    source, target = (
        next(force for force in each.getForces() if isinstance(force, openmm.HarmonicBondForce))
        for each in (flexible, system)
    )
    wanted = {frozenset(bond) for bond in bonds}
    for index in range(source.getNumBonds()):
        first, second, length, stiffness = source.getBondParameters(index)
        if frozenset((first, second)) in wanted:
            target.addBond(first, second, length, stiffness)


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
