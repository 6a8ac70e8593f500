"""Everything learned of a chain with C-alpha beads, and one draw of a frame from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import mdtraj
import numpy as np
import openmm
from numpy.typing import NDArray

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.reference_models.ar_internal.encoding import Encoding
from backmapbench.reference_models.ar_internal.internal import TORSION, measure, place
from backmapbench.reference_models.ar_internal.settings import EncodingSettings
from backmapbench.reference_models.ar_internal.tree import PlacementTree, tree_from_roots
from backmapbench.reference_models.equivariant_temporal.azimuths import backbone_trace
from backmapbench.reference_models.equivariant_temporal.backbone import Backbone, Trace, place_planes
from backmapbench.reference_models.equivariant_temporal.bounds import Bounds
from backmapbench.reference_models.equivariant_temporal.constraints import Constraints
from backmapbench.reference_models.equivariant_temporal.fragments import (
    Fragment,
    backbone_inputs,
    fit_fragments,
    fragment_inputs,
)
from backmapbench.reference_models.equivariant_temporal.labels import one_labelling
from backmapbench.reference_models.equivariant_temporal.nonbonded import Nonbonded
from backmapbench.reference_models.equivariant_temporal.planes import Planes
from backmapbench.reference_models.equivariant_temporal.settings import Settings
from backmapbench.reference_models.equivariant_temporal.settling import Settling, force_field_system
from backmapbench.reference_models.equivariant_temporal.springs import fitted_springs
from backmapbench.reference_models.equivariant_temporal.state import State
from backmapbench.reference_models.equivariant_temporal.torsions import Torsions
from backmapbench.submissions.protocol import System

Floats = NDArray[np.float64]
GAS_CONSTANT = 0.00831446261815324  # kJ/mol/K
TOLERATED = 0.98  # share of training frames with a lower contact energy
FRAMES_COMPARED = 250
SETTLINGS = 2  # after which training frames have forgotten their stretches and bends
ENCODING = EncodingSettings(smallest_deviation=5e-4, free_share=1e-3, maximum_distances=1)


@dataclass(frozen=True)
class Decoder:
    """Backbone planes, torsions, stiff coordinates and contacts of one system."""

    topology: mdtraj.Topology
    backbone: Backbone
    tree: PlacementTree
    encoding: Encoding
    planes: Planes
    torsions: Torsions
    fragments: tuple[Fragment, ...]
    contacts: Nonbonded
    tolerated: float  # contact energy, kJ/mol, that few training frames exceed
    thermal: float  # kT, kJ/mol
    bounds: Bounds
    settling: Settling

    @classmethod
    def fit(cls, system: System, training: Trajectories, settings: Settings) -> Decoder:
        """From training frames. Raises UnsupportedTaskError for beads that are not the C-alphas of one chain."""
        backbone = Backbone.of(system)
        atoms = one_labelling(system.topology, training.positions)
        tree = tree_from_roots("equivariant-temporal", system.topology, backbone.roots, atoms)
        internal = measure(tree, atoms)
        encoding = Encoding(internal, ENCODING, np.radians(settings.widest_degrees))
        numbers, angles = (part.astype(np.float64) for part in encoding.encode(internal))
        trace, planes = backbone_trace(backbone, atoms)
        begins = [part.start for part in training.slices]
        now = np.setdiff1d(np.arange(len(atoms)), begins) if training.frame_ps is not None else np.zeros(0, np.intp)
        field = force_field_system(system.topology, settings.force_field)
        thermal = GAS_CONSTANT * system.temperature_K
        bounds = Bounds.fit(system.topology, backbone.ca, atoms)
        # Steric repulsion across a torsion is in its table already.
        contacts = Nonbonded(field, settings.dielectric, across_torsions=False)
        constraints = Constraints.fit(system.topology, backbone.ca, atoms)
        known = backbone_inputs(trace, planes[0], atoms[:, backbone.carbon], atoms[:, backbone.nitrogen])
        return cls(
            system.topology,
            backbone,
            tree,
            encoding,
            Planes.fit(backbone, trace, planes, now, settings),
            Torsions.fit(tree, encoding.free, angles, now, settings),
            fit_fragments(system.topology, backbone, tree, encoding, (known, numbers, angles), settings),
            contacts,
            _tolerated(contacts, atoms),
            thermal,
            bounds,
            _settling(field, constraints, atoms, thermal, settings),
        )

    @cached_property
    def skeleton(self) -> NDArray[np.intp]:
        """Atoms whose places the backbone alone decides: all within one bond of what the planes place."""
        rows = np.asarray(np.isin(self.tree.references, self.tree.roots).all(axis=1), dtype=np.bool_)
        rows[self.encoding.free] = False
        return np.concatenate([self.tree.roots, self.tree.atoms[rows]])

    def remembered(self, atoms: Floats) -> State:
        """Of atoms (frames, N, 3), nm."""
        trace, (numbers, azimuths) = backbone_trace(self.backbone, atoms)
        torsions = measure(self.tree, atoms)[:, self.encoding.free, TORSION]
        return State(azimuths, self.planes.noise(trace, numbers), torsions)

    def placed_backbone(self, trace: Trace, numbers: Floats, azimuths: Floats) -> tuple[Floats, Floats]:
        """Roots of the placement tree (frames, roots, 3) and backbone inputs (frames, residues, inputs)."""
        carbon, nitrogen = place_planes(trace, numbers, azimuths)
        known = backbone_inputs(trace, numbers, carbon, nitrogen)
        return np.concatenate([trace.beads, carbon, nitrogen], axis=1), known

    def draw_candidates(
        self,
        roots: Floats,
        known: Floats,
        before: Floats | None,
        normal: Floats,
        uniform: Floats,
        narrow: Floats | None = None,
        released: NDArray[np.bool_] | None = None,
    ) -> tuple[Floats, Floats]:
        """Torsions (frames, draws, torsions) and atoms (frames, draws, N, 3).

        ``roots`` (frames, roots, 3), ``known``: backbone inputs (frames, residues, inputs), ``before``: torsions of the
        frames before, or None; ``normal`` (frames, draws, numbers), ``uniform`` (frames, draws, torsions); ``narrow``,
        ``released``: see ``Torsions.draw``.
        """
        angles = self.torsions.draw(before, uniform, narrow, released)
        numbers = np.empty_like(normal)
        for fragment in self.fragments:
            inputs = fragment_inputs(known[:, None, fragment.residue], angles[..., fragment.torsions])
            numbers[..., fragment.columns] = fragment.stiff.draw(inputs, normal[..., fragment.columns])
        frames, draws = normal.shape[:2]
        flat = frames * draws
        internal = self.encoding.decode(numbers.reshape(flat, -1), angles.reshape(flat, -1))
        spread = np.broadcast_to(roots[:, None], (frames, draws, *roots.shape[1:]))
        return angles, place(self.tree, spread, internal.reshape(frames, draws, *internal.shape[1:]))


def _tolerated(contacts: Nonbonded, atoms: Floats) -> float:
    every = np.arange(atoms.shape[1])
    return float(np.quantile(contacts.within(every, atoms[:: max(1, len(atoms) // FRAMES_COMPARED)]), TOLERATED))


def _settling(
    field: openmm.System, constraints: Constraints, atoms: Floats, thermal: float, settings: Settings
) -> Settling:
    """Settling under springs fitted to training frames ``atoms``."""
    shown = atoms[:: max(1, len(atoms) // FRAMES_COMPARED)]
    normal = np.random.default_rng(0).normal(
        size=(SETTLINGS, len(shown), settings.settling_steps + 1, *atoms.shape[1:])
    )
    still = np.broadcast_to(np.eye(3), (len(shown), 3, 3))

    def settle(system: openmm.System) -> Floats:
        settling, settled = Settling(system, constraints, settings.dielectric, thermal), shown
        for numbers in normal:
            settled = settling(settled, still, numbers)
        return settled

    return Settling(fitted_springs(field, shown, settle), constraints, settings.dielectric, thermal)
