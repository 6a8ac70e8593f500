"""The peptide planes between C-alpha beads: which atoms, and their coordinates in the beads' own frames."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import mdtraj
import numpy as np
from numpy.typing import NDArray

from backmapbench.errors import UnsupportedTaskError
from backmapbench.submissions.protocol import System

Floats = NDArray[np.float64]
FEWEST_BEADS = 4  # a chain of three has one residue between two planes and no C-alpha torsion
NUMBERS = 5  # stiff coordinates of a plane
SMALLEST = 1e-12  # nm2 or nm; keeps square roots and quotients of degenerate input finite


@dataclass(frozen=True)
class Backbone:
    """Atoms of a chain of residues with one bead each, on the C-alpha.

    Attributes:
        ca: atom of each bead, (residues,).
        carbon: C of each plane, that of its first residue, (residues - 1,).
        nitrogen: N of each plane, that of its second residue, (residues - 1,).
        residues: index of each bead's residue in the topology, (residues,).
        classes: what residues share their backbone's habits with, (residues,).
    """

    ca: NDArray[np.intp]
    carbon: NDArray[np.intp]
    nitrogen: NDArray[np.intp]
    residues: NDArray[np.intp]
    classes: tuple[str, ...]

    @classmethod
    def of(cls, system: System) -> Backbone:
        """The chain. Raises UnsupportedTaskError when the beads are not the C-alphas of one chain, in order."""
        atoms = [system.topology.atom(int(atom)) for atom in system.mapping.slice_atoms]
        bonded = {frozenset((bond[0].index, bond[1].index)) for bond in system.topology.bonds}
        named = [{atom.name: atom.index for atom in bead.residue.atoms} for bead in atoms]
        planes = [(first.get("C"), second.get("N")) for first, second in pairwise(named)]
        if len(atoms) < FEWEST_BEADS or any(atom.name != "CA" for atom in atoms):
            raise UnsupportedTaskError(
                f"equivariant-temporal: needs the C-alphas of {FEWEST_BEADS} or more residues as beads, given {atoms}"
            )
        broken = [number for number, plane in enumerate(planes) if frozenset(plane) not in bonded]
        if broken:
            raise UnsupportedTaskError(
                f"equivariant-temporal: no peptide bond leads from {atoms[broken[0]].residue} to "
                f"{atoms[broken[0] + 1].residue}; give the beads of one unbroken chain in its order"
            )
        carbon, nitrogen = np.array(planes, dtype=np.intp).T
        return cls(
            np.array([atom.index for atom in atoms], dtype=np.intp),
            carbon,
            nitrogen,
            np.array([atom.residue.index for atom in atoms], dtype=np.intp),
            tuple(_class(atoms, number) for number in range(len(atoms))),
        )

    @property
    def roots(self) -> NDArray[np.intp]:
        """Atoms that everything else is placed from: C-alphas, then carbons, then nitrogens."""
        return np.concatenate([self.ca, self.carbon, self.nitrogen])


def is_ca_chain(system: System) -> bool:
    """Whether every bead is a C-alpha."""
    mapping = system.mapping
    return bool(mapping.is_slice) and all(system.topology.atom(int(atom)).name == "CA" for atom in mapping.slice_atoms)


def _class(atoms: list[mdtraj.core.topology.Atom], number: int) -> str:
    """Residues of one class share their Ramachandran plot: glycine, proline, before proline, all others."""
    name = atoms[number].residue.name
    if name in ("GLY", "PRO"):
        return str(name)
    before = number + 1 < len(atoms) and atoms[number + 1].residue.name == "PRO"
    return "before PRO" if before else "other"


@dataclass(frozen=True)
class Trace:
    """Local frames of a C-alpha trace, leading axes (...).

    Attributes:
        beads: (..., residues, 3), nm.
        axis, first, second: orthonormal frame of each plane: along its axis, towards the bead before (the one after,
            for the first plane) and across, (..., residues - 1, 3).
        length: distance of the two beads, (..., residues - 1), nm.
        bend: angle at each inner bead, (..., residues - 2), rad.
        turn: azimuth of the bead after each plane but the last in the plane's frame, (..., residues - 2), rad.
    """

    beads: Floats
    axis: Floats
    first: Floats
    second: Floats
    length: Floats
    bend: Floats
    turn: Floats

    @classmethod
    def of(cls, beads: NDArray[np.floating]) -> Trace:
        """Frames of beads (..., residues, 3), nm."""
        points: Floats = np.array(beads, dtype=np.float64)
        step = points[..., 1:, :] - points[..., :-1, :]
        length = np.asarray(np.linalg.norm(step, axis=-1), dtype=np.float64)
        axis = step / np.maximum(length, SMALLEST)[..., None]
        towards = np.concatenate([points[..., 2:3, :] - points[..., :1, :], -step[..., :-1, :]], axis=-2)
        first = unit(towards - (towards * axis).sum(-1, keepdims=True) * axis)
        second = np.cross(axis, first)
        cosine = -(axis[..., :-1, :] * axis[..., 1:, :]).sum(-1)
        after = step[..., 1:, :]
        turn = np.arctan2((after * second[..., :-1, :]).sum(-1), (after * first[..., :-1, :]).sum(-1))
        return cls(points, axis, first, second, length, np.arccos(np.clip(cosine, -1, 1)), turn)

    def azimuth(self, points: Floats) -> Floats:
        """Angle of points (..., residues - 1, 3) about their plane's axis, rad."""
        arm = points - self.beads[..., :-1, :]
        return np.asarray(np.arctan2((arm * self.second).sum(-1), (arm * self.first).sum(-1)))


def measure_planes(trace: Trace, carbon: Floats, nitrogen: Floats) -> tuple[Floats, Floats]:
    """Stiff numbers (..., planes, 5) and azimuth of the carbon (..., planes), rad.

    The numbers are the bond CA-C (nm), its angle with the axis (rad), the bonds N-CA and C-N, and the torsion
    CA-C...CA-N (rad) about the line from C to the second CA, near 0 in a trans peptide: all bonds of the ring that the
    two beads close are among its coordinates.
    """
    start, end = trace.beads[..., :-1, :], trace.beads[..., 1:, :]
    arm = carbon - start
    along = (arm * trace.axis).sum(-1)
    across = np.linalg.norm(arm - along[..., None] * trace.axis, axis=-1)
    _, inward, sideways = _diagonal(start, end, carbon)
    hook = nitrogen - carbon
    torsion = np.arctan2((hook * sideways).sum(-1), (hook * inward).sum(-1))
    lengths = [np.linalg.norm(part, axis=-1) for part in (arm, nitrogen - end, hook)]
    numbers = np.stack([lengths[0], np.arctan2(across, along), lengths[1], lengths[2], torsion], axis=-1)
    return numbers, trace.azimuth(carbon)


def place_planes(trace: Trace, numbers: Floats, azimuth: Floats) -> tuple[Floats, Floats]:
    """Carbons and nitrogens (..., planes, 3), nm; inverse of ``measure_planes``."""
    start, end = trace.beads[..., :-1, :], trace.beads[..., 1:, :]
    bond, angle, last, middle, torsion = (numbers[..., column, None] for column in range(NUMBERS))
    around = np.cos(azimuth)[..., None] * trace.first + np.sin(azimuth)[..., None] * trace.second
    carbon = start + bond * (np.cos(angle) * trace.axis + np.sin(angle) * around)
    line, inward, sideways = _diagonal(start, end, carbon)
    span = np.maximum(np.linalg.norm(end - carbon, axis=-1, keepdims=True), SMALLEST)
    along = (middle**2 + span**2 - last**2) / (2 * span)
    height = np.sqrt(np.maximum(middle**2 - along**2, SMALLEST))
    nitrogen = carbon + along * line + height * (np.cos(torsion) * inward + np.sin(torsion) * sideways)
    return carbon, nitrogen


def _diagonal(start: Floats, end: Floats, carbon: Floats) -> tuple[Floats, Floats, Floats]:
    """Frame of the line from C to the second CA; the first CA lies on the ``inward`` side."""
    line = unit(end - carbon)
    arm = start - carbon
    inward = unit(arm - (arm * line).sum(-1, keepdims=True) * line)
    return line, inward, np.cross(line, inward)


def unit(vectors: Floats) -> Floats:
    """Vectors (..., 3) of length 1; a vector of no length stays so."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), SMALLEST))
