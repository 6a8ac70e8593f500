"""Trajectories drawn frame after frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backmapbench.reference_models.equivariant_temporal.backbone import NUMBERS, Trace
from backmapbench.reference_models.equivariant_temporal.decoder import Decoder
from backmapbench.reference_models.equivariant_temporal.fragments import Fragment
from backmapbench.reference_models.equivariant_temporal.randomness import Take
from backmapbench.reference_models.equivariant_temporal.settings import Settings
from backmapbench.reference_models.equivariant_temporal.state import State

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rollout:
    """Draws many trajectories at once, each with random numbers of its own: what runs beside it changes nothing."""

    decoder: Decoder
    settings: Settings

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

    def step(self, beads: Floats, before: State | None, generators: list[np.random.Generator]) -> tuple[Floats, State]:
        """Atoms (trajectories, N, 3) of one frame of each trajectory, and what to remember of them."""
        decoder = self.decoder
        take = Take.of(generators, self._numbers())
        trace = Trace.of(beads)
        roots, known = self._backbone(trace, before, take)
        atoms = self._side_chains(roots, known, before, take)
        atoms = decoder.bounds.project(atoms, self.settings.projections)
        normal = take.normal(self.settings.settling_steps + 1, atoms.shape[1], 3)
        fixed = np.stack([trace.axis[:, 0], trace.first[:, 0], trace.second[:, 0]], axis=1)
        settled = decoder.settling(atoms, fixed, normal)
        return settled, decoder.remembered(settled)

    def _numbers(self) -> int:
        """Random numbers that a frame takes at most."""
        decoder, settings = self.decoder, self.settings
        planes, torsions = len(decoder.backbone.carbon), len(decoder.encoding.free)
        backbone = NUMBERS * planes + settings.backbones * (planes + torsions) + 1
        settling = 3 * decoder.tree.size * (settings.settling_steps + 1)
        return backbone + settings.most_rounds * self._numbers_of_round() + settling

    def _numbers_of_round(self) -> int:
        decoder, settings = self.decoder, self.settings
        each = int(decoder.encoding.gaussian.sum()) + len(decoder.encoding.free)
        return settings.candidates * each + (settings.escapes + 1) * len(decoder.fragments)

    def _backbone(self, trace: Trace, before: State | None, take: Take) -> tuple[Floats, Floats]:
        """Roots of the placement tree and backbone inputs, chosen by the contacts of the backbone's own atoms."""
        decoder, draws = self.decoder, self.settings.backbones
        rows, planes = trace.length.shape
        normal = take.normal(NUMBERS * planes)
        azimuths, numbers = decoder.planes.draw(trace, before, normal, take(draws, planes))
        every = np.repeat(np.arange(rows), draws)
        spread = Trace.of(trace.beads[every])
        roots, known = decoder.placed_backbone(spread, numbers[every], azimuths.reshape(len(every), planes))
        still = before.torsions[every] if before is not None else None
        torsions = len(decoder.encoding.free)
        calm = np.zeros((len(every), 1, int(decoder.encoding.gaussian.sum())))
        _, atoms = decoder.draw_candidates(roots, known, still, calm, take(draws, torsions).reshape(-1, 1, torsions))
        energy = decoder.contacts.within(decoder.skeleton, atoms[:, 0, decoder.skeleton]).reshape(rows, draws)
        chosen = np.arange(rows) * draws + self._boltzmann(energy, take(1)[:, 0])
        return roots[chosen], known[chosen]

    def _side_chains(self, roots: Floats, known: Floats, before: State | None, take: Take) -> Floats:
        """Atoms (rows, N, 3) after rounds of choices: a few of every frame, more of one that still overlaps."""
        settings = self.settings
        past = before.torsions if before is not None else None
        rounds = settings.most_rounds if past is None else settings.rounds
        atoms = self._round(roots, known, past, take, None)
        every = np.arange(len(atoms))
        for number in range(1, settings.most_rounds):
            rows = every if number < rounds else np.flatnonzero(self._overlap(atoms))
            then = past[rows] if past is not None else None
            if len(rows):
                atoms[rows] = self._round(roots[rows], known[rows], then, take.rows(rows), atoms[rows])
            take.skip(self._numbers_of_round())
        return atoms

    def _overlap(self, atoms: Floats) -> NDArray[np.bool_]:
        """Which frames have contacts worse than nearly all of training."""
        return self.decoder.contacts.within(np.arange(atoms.shape[1]), atoms) > self.decoder.tolerated

    def _round(self, roots: Floats, known: Floats, past: Floats | None, take: Take, atoms: Floats | None) -> Floats:
        """One conformation chosen for every residue in turn among new ones and, from the second round on, its own."""
        decoder, draws = self.decoder, self.settings.candidates
        uniform = take(draws, len(decoder.encoding.free))
        normal = take.normal(draws, int(decoder.encoding.gaussian.sum()))
        choice, escape = take(len(decoder.fragments)), take(self.settings.escapes, len(decoder.fragments))
        narrow = np.where(np.arange(draws) % 2, 1.0, self.settings.narrow)
        handicap = np.zeros(draws)
        released = np.zeros(uniform.shape, dtype=np.bool_)
        if past is not None:
            handicap[: self.settings.escapes] = self.settings.escape_kt * decoder.thermal
            released[:, : self.settings.escapes] = self._released(escape)
        _, drawn = decoder.draw_candidates(roots, known, past, normal, uniform, narrow, released)
        if atoms is not None:
            drawn = np.concatenate([drawn, atoms[:, None]], axis=1)
            handicap = np.append(handicap, 0.0)
        chosen = drawn[:, -1].copy()
        every = np.arange(len(chosen))
        for number, fragment in enumerate(decoder.fragments):
            row = self._choose(fragment, drawn, chosen, handicap, choice[:, number])
            chosen[:, fragment.atoms] = drawn[every, row][:, fragment.atoms]
        return chosen

    def _released(self, uniform: Floats) -> NDArray[np.bool_]:
        """One torsion of each fragment, by ``uniform`` (rows, escapes, fragments), that forgets: (..., torsions)."""
        released = np.zeros((*uniform.shape[:-1], len(self.decoder.encoding.free)), dtype=np.bool_)
        for number, fragment in enumerate(self.decoder.fragments):
            if len(fragment.torsions):
                one = (uniform[..., number] * len(fragment.torsions)).astype(np.intp)
                np.put_along_axis(released, fragment.torsions[one][..., None], values=True, axis=-1)
        return released

    def _choose(
        self, fragment: Fragment, drawn: Floats, atoms: Floats, handicap: Floats, uniform: Floats
    ) -> NDArray[np.intp]:
        """Which conformation each trajectory keeps: by Boltzmann weight of its contacts."""
        positions = drawn[:, :, fragment.atoms]
        contacts = self.decoder.contacts
        energy = contacts.with_others(fragment.atoms, positions, atoms)
        energy += contacts.within(fragment.atoms, positions) + handicap
        return self._boltzmann(energy, uniform)

    def _boltzmann(self, energy: Floats, uniform: Floats) -> NDArray[np.intp]:
        """One of the energies (rows, draws), kJ/mol, of each row by its Boltzmann weight."""
        weights = np.exp(-(energy - energy.min(axis=1, keepdims=True)) / self.decoder.thermal)
        passed = np.cumsum(weights, axis=1)
        below: NDArray[np.intp] = (passed <= (uniform * passed[:, -1])[:, None]).sum(axis=1)
        return np.asarray(np.minimum(below, passed.shape[1] - 1), dtype=np.intp)
