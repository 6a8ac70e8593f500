"""Trajectories drawn frame after frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from backmapbench.reference_models.equivariant_temporal.backbone import NUMBERS, Trace
from backmapbench.reference_models.equivariant_temporal.decoder import Decoder, Fragment, backbone_inputs
from backmapbench.reference_models.equivariant_temporal.settings import Settings

Floats = NDArray[np.float64]
GAS_CONSTANT = 0.00831446261815324  # kJ/mol/K
SMALLEST_UNIFORM = 1e-16


@dataclass(frozen=True)
class State:
    """What the next frame remembers of this one: azimuths (frames, planes) and torsions (frames, torsions), rad."""

    azimuths: Floats
    torsions: Floats


@dataclass(frozen=True)
class Rollout:
    """Draws many trajectories at once, each with random numbers of its own: what runs beside it changes nothing."""

    decoder: Decoder
    settings: Settings
    temperature_K: float

    def draw(self, beads: Floats, generators: list[np.random.Generator], *, in_time: bool) -> NDArray[np.float32]:
        """Atoms float32 (trajectories, frames, N, 3) of beads (trajectories, frames, residues, 3), nm.

        Without ``in_time`` no frame remembers the one before.
        """
        trajectories, frames = beads.shape[:2]
        atoms = np.empty((trajectories, frames, self.decoder.tree.size, 3), dtype=np.float32)
        state: State | None = None
        for frame in range(frames):
            atoms[:, frame], state = self.step(beads[:, frame], state if in_time else None, generators)
        return atoms

    def step(
        self, beads: Floats, before: State | None, generators: list[np.random.Generator]
    ) -> tuple[Floats, State]:
        """Atoms (trajectories, N, 3) of one frame of each trajectory, and what to remember of them."""
        decoder, candidates = self.decoder, self.settings.candidates
        rounds = self.settings.rounds if before is not None else self.settings.first_rounds
        first, each = decoder.uniforms(candidates)
        random = np.stack([generator.random(first + rounds * each) for generator in generators])
        planes = len(decoder.backbone.carbon)
        trace = Trace.of(beads)
        normal, uniform = _normal(random[:, : NUMBERS * planes]), random[:, NUMBERS * planes : first]
        past = before.azimuths if before is not None else None
        azimuths, numbers, carbon, nitrogen = decoder.draw_backbone(trace, past, normal, uniform)
        known = backbone_inputs(trace, numbers, carbon, nitrogen)
        roots = np.concatenate([beads, carbon, nitrogen], axis=1)
        atoms: Floats | None = None
        torsions: Floats | None = None
        past = before.torsions if before is not None else None
        for number in range(rounds):
            part = random[:, first + number * each : first + (number + 1) * each]
            atoms, torsions = self._round(roots, known, past, part, atoms, torsions)
        if atoms is None or torsions is None:
            raise RuntimeError("no round was drawn")
        return atoms, State(azimuths, torsions)

    def _round(
        self, roots: Floats, known: Floats, past: Floats | None, random: Floats, atoms: Floats | None,
        torsions: Floats | None,
    ) -> tuple[Floats, Floats]:
        """One conformation chosen for every residue in turn among new ones and, from the second round on, its own."""
        decoder, draws = self.decoder, self.settings.candidates
        angles = len(decoder.encoding.free)
        cut = draws * angles
        uniform = random[:, :cut].reshape(len(random), draws, angles)
        choice = random[:, -len(decoder.fragments) :]
        normal = _normal(random[:, cut : -len(decoder.fragments)]).reshape(len(random), draws, -1)
        turned, drawn = decoder.draw_candidates(roots, known, past, normal, uniform)
        if atoms is not None and torsions is not None:
            drawn = np.concatenate([drawn, atoms[:, None]], axis=1)
            turned = np.concatenate([turned, torsions[:, None]], axis=1)
        chosen, kept = drawn[:, -1].copy(), turned[:, -1].copy()
        for number, fragment in enumerate(decoder.fragments):
            row = self._choose(fragment, drawn, chosen, choice[:, number])
            every = np.arange(len(row))
            chosen[:, fragment.atoms] = drawn[every, row][:, fragment.atoms]
            kept[:, fragment.torsions] = turned[every, row][:, fragment.torsions]
        return chosen, kept

    def _choose(self, fragment: Fragment, drawn: Floats, atoms: Floats, uniform: Floats) -> NDArray[np.intp]:
        """Which conformation each trajectory keeps: by Boltzmann weight of its contacts."""
        positions = drawn[:, :, fragment.atoms]
        contacts = self.decoder.contacts
        energy = contacts.with_others(fragment.atoms, positions, atoms[:, None])
        energy += contacts.within(fragment.atoms, positions)
        energy -= energy.min(axis=1, keepdims=True)
        passed = np.cumsum(np.exp(-energy / (GAS_CONSTANT * self.temperature_K)), axis=1)
        return np.minimum((passed <= (uniform * passed[:, -1])[:, None]).sum(axis=1), passed.shape[1] - 1)


def _normal(uniform: Floats) -> Floats:
    return np.asarray(ndtri(np.maximum(uniform, SMALLEST_UNIFORM)))
