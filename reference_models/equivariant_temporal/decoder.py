"""Everything learned of a chain with C-alpha beads, and one draw of a frame from it."""

from __future__ import annotations

from dataclasses import dataclass

import mdtraj
import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.reference_models.ar_internal.encoding import Encoding
from backmapbench.reference_models.ar_internal.internal import measure, place
from backmapbench.reference_models.ar_internal.settings import EncodingSettings
from backmapbench.reference_models.ar_internal.tree import PlacementTree, bonded_matrix, tree_from_roots
from backmapbench.reference_models.equivariant_temporal.azimuths import Azimuths, backbone_trace, shift
from backmapbench.reference_models.equivariant_temporal.backbone import NUMBERS, Backbone, Trace, place_planes, unit
from backmapbench.reference_models.equivariant_temporal.contacts import Contacts
from backmapbench.reference_models.equivariant_temporal.settings import Settings
from backmapbench.reference_models.equivariant_temporal.stiff import Regression, harmonics
from backmapbench.reference_models.equivariant_temporal.torsions import Torsions
from backmapbench.submissions.protocol import System

Floats = NDArray[np.float64]
ENCODING = EncodingSettings(smallest_deviation=5e-4, free_share=1e-3, maximum_distances=1)
TORSION_ORDERS = 3  # harmonics of a torsion that stiff coordinates depend on; 3 is a methyl group's symmetry


@dataclass(frozen=True)
class Fragment:
    """A residue with the caps bonded to it, without what the planes place.

    Attributes:
        atoms: its placed atoms.
        columns: its stiff coordinates, among all numbers of the encoding.
        torsions: its freely turning torsions, among all.
        residue: number of its bead.
        stiff: density of its stiff coordinates.
    """

    atoms: NDArray[np.intp]
    columns: NDArray[np.intp]
    torsions: NDArray[np.intp]
    residue: int
    stiff: Regression


@dataclass(frozen=True)
class Decoder:
    """Backbone planes, torsions, stiff coordinates and contacts of one system."""

    backbone: Backbone
    tree: PlacementTree
    encoding: Encoding
    planes: Regression
    azimuths: Azimuths
    torsions: Torsions
    fragments: tuple[Fragment, ...]
    contacts: Contacts

    @classmethod
    def fit(cls, system: System, training: Trajectories, settings: Settings) -> Decoder:
        """From training frames. Raises UnsupportedTaskError for beads that are not the C-alphas of one chain."""
        backbone = Backbone.of(system)
        atoms = np.asarray(training.positions, dtype=np.float64)
        tree = tree_from_roots(system.topology, backbone.roots, atoms)
        internal = measure(tree, atoms)
        encoding = Encoding(internal, ENCODING, np.radians(settings.widest_degrees))
        numbers, angles = (part.astype(np.float64) for part in encoding.encode(internal))
        trace, planes = backbone_trace(backbone, atoms)
        begins = [part.start for part in training.slices]
        now = np.setdiff1d(np.arange(len(atoms)), begins) if training.frame_ps is not None else np.zeros(0, np.intp)
        known = backbone_inputs(trace, planes[0], atoms[:, backbone.carbon], atoms[:, backbone.nitrogen])
        return cls(
            backbone,
            tree,
            encoding,
            Regression.fit(trace.length, planes[0].reshape(len(atoms), -1), settings.ridge),
            Azimuths.fit(backbone, trace, planes, now, settings),
            Torsions.fit(tree, encoding.free, angles, now, settings),
            _fragments(system.topology, backbone, tree, encoding, (known, numbers, angles), settings),
            Contacts(system.topology, settings.contacts),
        )

    def uniforms(self, candidates: int) -> tuple[int, int]:
        """How many random numbers a frame's backbone takes, and one round of choosing conformations."""
        planes = len(self.backbone.carbon)
        numbers, torsions = int(self.encoding.gaussian.sum()), len(self.encoding.free)
        return (NUMBERS + 1) * planes, candidates * (numbers + torsions) + len(self.fragments)

    def draw_backbone(
        self, trace: Trace, before: Floats | None, normal: Floats, uniform: Floats
    ) -> tuple[Floats, Floats, Floats, Floats]:
        """Azimuths (frames, planes), numbers (frames, planes, 5), carbons and nitrogens (frames, planes, 3).

        ``before``: azimuths of the frames before, or None; ``normal`` (frames, 5 planes), ``uniform`` (frames, planes).
        """
        numbers = self.planes.draw(trace.length, normal).reshape(*trace.length.shape, NUMBERS)
        links = self.azimuths.links(trace.bend, shift(trace, numbers))
        azimuth = self.azimuths.draw(links, before, uniform[:, None])[:, 0]
        return azimuth, numbers, *place_planes(trace, numbers, azimuth)

    def draw_candidates(
        self, roots: Floats, known: Floats, before: Floats | None, normal: Floats, uniform: Floats
    ) -> tuple[Floats, Floats]:
        """Torsions (frames, draws, torsions) and atoms (frames, draws, N, 3).

        ``roots`` (frames, roots, 3), ``known``: backbone inputs (frames, residues, inputs), ``before``: torsions of the
        frames before, or None; ``normal`` (frames, draws, numbers), ``uniform`` (frames, draws, torsions).
        """
        angles = self.torsions.draw(before, uniform)
        numbers = np.empty_like(normal)
        for fragment in self.fragments:
            inputs = _inputs(known[:, None, fragment.residue], angles[..., fragment.torsions])
            numbers[..., fragment.columns] = fragment.stiff.draw(inputs, normal[..., fragment.columns])
        frames, draws = normal.shape[:2]
        flat = frames * draws
        internal = self.encoding.decode(numbers.reshape(flat, -1), angles.reshape(flat, -1))
        spread = np.broadcast_to(roots[:, None], (frames, draws, *roots.shape[1:]))
        return angles, place(self.tree, spread, internal.reshape(frames, draws, *internal.shape[1:]))


def backbone_inputs(trace: Trace, numbers: Floats, carbon: Floats, nitrogen: Floats) -> Floats:
    """What stiff coordinates of each residue know of its backbone: (frames, residues, inputs).

    Both planes' numbers, angle N-CA-C, cosines and sines of phi and psi; zero where the chain has ended.
    """
    frames, residues = trace.beads.shape[:2]
    known = np.zeros((frames, residues, 2 * NUMBERS + 5))
    known[:, :-1, :NUMBERS] = numbers
    known[:, 1:, NUMBERS : 2 * NUMBERS] = numbers
    n, ca, c = nitrogen[:, :-1], trace.beads[:, 1:-1], carbon[:, 1:]
    known[:, 1:-1, -5] = (unit(n - ca) * unit(c - ca)).sum(-1)
    phi = _torsion(carbon[:, :-1], n, ca, c)
    psi = _torsion(n, ca, c, nitrogen[:, 1:])
    known[:, 1:-1, -4:] = np.stack([np.cos(phi), np.sin(phi), np.cos(psi), np.sin(psi)], axis=-1)
    return known


def _torsion(a: Floats, b: Floats, c: Floats, d: Floats) -> Floats:
    axis = unit(c - b)
    left, right = np.cross(b - a, axis), np.cross(axis, d - c)
    return np.asarray(np.arctan2((np.cross(left, right) * axis).sum(-1), (left * right).sum(-1)))


def _inputs(known: Floats, angles: Floats) -> Floats:
    waves = harmonics(angles, TORSION_ORDERS)
    return np.concatenate([np.broadcast_to(known, (*waves.shape[:-1], known.shape[-1])), waves], axis=-1)


def _fragments(
    topology: mdtraj.Topology,
    backbone: Backbone,
    tree: PlacementTree,
    encoding: Encoding,
    data: tuple[Floats, Floats, Floats],
    settings: Settings,
) -> tuple[Fragment, ...]:
    known, numbers, angles = data
    residue = np.array([atom.residue.index for atom in topology.atoms])
    bonds = dijkstra(bonded_matrix(topology), indices=backbone.ca, unweighted=True)
    # A cap has no bead; it goes with the residue it is bonded to.
    own = residue[None, tree.atoms] == backbone.residues[:, None]
    owner = np.where(own.any(axis=0), own.argmax(axis=0), bonds[:, tree.atoms].argmin(axis=0))
    column_owner = np.repeat(owner[:, None], 3, axis=1)[encoding.gaussian]
    made = []
    for number in np.unique(owner):
        columns = np.flatnonzero(column_owner == number)
        torsions = np.flatnonzero(owner[encoding.free] == number)
        inputs = _inputs(known[:, number], angles[:, torsions])
        stiff = Regression.fit(inputs, numbers[:, columns], settings.ridge)
        made.append(Fragment(tree.atoms[owner == number], columns, torsions, int(number), stiff))
    return tuple(made)
