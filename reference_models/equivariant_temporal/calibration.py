"""Tables and memories corrected by rollouts: choosing by contacts favours some angles, and errors add up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from backmapbench.datasets.trajectories import Trajectories
from backmapbench.reference_models.equivariant_temporal import circle
from backmapbench.reference_models.equivariant_temporal.azimuths import backbone_trace, shift
from backmapbench.reference_models.equivariant_temporal.circle import Memory
from backmapbench.reference_models.equivariant_temporal.decoder import Decoder
from backmapbench.reference_models.equivariant_temporal.labels import one_labelling
from backmapbench.reference_models.equivariant_temporal.rollout import Rollout
from backmapbench.reference_models.equivariant_temporal.settings import Settings

Floats = NDArray[np.float64]
FAR = 1.0  # rad; a larger step is a jump
LAGS = (1, 8)  # frames between which jumps are counted
SMALLEST_JUMP, LARGEST_JUMP = 1e-6, 1.0
NARROWEST = np.radians(8)
LARGEST_CHANGE = 10.0  # of a chance of jumps, factor per rollout
LARGEST_STEP = 1.2  # the same of a width, which is only ever narrowed
OFTEN = 0.6  # a memory that must jump less than this share of what it does is narrowed
TINY = 1e-6  # rad
PRIOR = 0.5  # jumps in all of training, added to both shares
SMOOTHING = np.radians(12)  # of densities that are compared
PRIOR_FRAMES = 40.0  # of a uniform density added to both
GAIN, LARGEST_RATIO = 0.7, 4.0


def calibrated(decoder: Decoder, training: Trajectories, settings: Settings) -> Decoder:
    """The decoder with its own trajectories' angles distributed, and moving in time, as those of ``training``.

    Rollouts follow the beads of training trajectories. After each, tables are multiplied by the ratio of densities
    (iterative Boltzmann inversion: Reith, Puetz and Mueller-Plathe, J. Comput. Chem. 24, 1624, 2003), chances of jumps
    by that of jumps, and widths, where too wide, by that of smaller steps. Independent frames leave all as it is.
    """
    if training.frame_ps is None or max(training.lengths) < 2:
        return decoder
    atoms = one_labelling(decoder.topology, training.positions)
    wanted = _Seen.of(decoder, atoms, training.lengths, settings.grid)
    beads = _beads(atoms[:, decoder.backbone.ca], training, settings)
    for number in range(settings.rollouts):
        generators = [np.random.default_rng([number, row]) for row in range(len(beads))]
        drawn = Rollout(decoder, settings).draw(beads, generators, in_time=True)
        flat = drawn.reshape(-1, *drawn.shape[2:]).astype(np.float64)
        found = _Seen.of(decoder, flat, (beads.shape[1],) * len(beads), settings.grid)
        azimuths, torsions = decoder.planes.azimuths, decoder.torsions
        links = azimuths.tables * wanted.links.over(found.links)[:, None]
        densities = torsions.tables * wanted.torsions.over(found.torsions)[:, None]
        azimuths = replace(
            azimuths,
            tables=links / links.mean(axis=(1, 2, 3), keepdims=True),
            memories=wanted.planes_move.correct(azimuths.memories, found.planes_move),
        )
        torsions = replace(
            torsions,
            tables=densities / densities.sum(axis=-1, keepdims=True),
            memories=wanted.torsions_move.correct(torsions.memories, found.torsions_move),
        )
        decoder = replace(decoder, planes=replace(decoder.planes, azimuths=azimuths), torsions=torsions)
    return decoder


def _beads(beads: Floats, training: Trajectories, settings: Settings) -> Floats:
    """The longest trajectories, all cut to one length: (trajectories, frames, beads, 3)."""
    longest = sorted(training.slices, key=lambda part: part.start - part.stop)[: settings.rollout_trajectories]
    longest = [part for part in longest if part.stop - part.start > 1]
    frames = min(settings.rollout_frames, *(part.stop - part.start for part in longest))
    return np.stack([beads[part.start : part.start + frames] for part in longest])


@dataclass(frozen=True)
class _Density:
    """Of ``frames`` frames, uniform density is 1: (..., cells) or (..., cells, cells)."""

    density: Floats
    frames: int

    @classmethod
    def of(cls, cells: tuple[NDArray[np.intp], ...], size: int) -> Self:
        """From cells (frames, angles) of one angle or of two together."""
        frames, angles = cells[0].shape
        counts = np.zeros((angles, *(size for _ in cells)))
        np.add.at(counts, (np.broadcast_to(np.arange(angles), (frames, angles)), *cells), 1.0)
        width = SMOOTHING * size / circle.TURN
        smooth = gaussian_filter(counts, (0.0, *(width for _ in cells)), mode="wrap")
        return cls(smooth * (counts[0].size / frames), frames)

    def over(self, other: _Density) -> Floats:
        """Factors that carry ``other`` some way towards this."""
        ratio = self._with_prior() / other._with_prior()
        return np.asarray(np.clip(ratio**GAIN, 1 / LARGEST_RATIO, LARGEST_RATIO))

    def _with_prior(self) -> Floats:
        share = PRIOR_FRAMES / (PRIOR_FRAMES + self.frames)
        return np.asarray((1 - share) * self.density + share)


@dataclass(frozen=True)
class _Moves:
    """How angles move: shares of jumps over ``LAGS`` frames, (lags, n), and root mean square of smaller steps, rad.

    Real torsions often jump and come back at once: over one frame they seem faster than over many.
    """

    jumps: Floats
    small: Floats
    steps: int

    @classmethod
    def of(cls, angles: Floats, lengths: tuple[int, ...]) -> Self:
        """From angles (frames, n) of trajectories of these lengths."""
        owner = np.repeat(np.arange(len(lengths)), lengths)
        shares = []
        for lag in LAGS:
            far = np.abs(circle.wrap(angles[lag:] - angles[:-lag])[owner[lag:] == owner[:-lag]]) > FAR
            shares.append(far.sum(axis=0) / max(1, len(far)))
        steps = circle.wrap(np.diff(angles, axis=0)[owner[1:] == owner[:-1]])
        near = np.abs(steps) <= FAR
        small = np.sqrt(np.where(near, steps**2, 0.0).sum(axis=0) / np.maximum(near.sum(axis=0), 1))
        return cls(np.stack(shares), small, len(steps))

    def correct(self, memories: Memory, found: _Moves) -> Memory:
        """Memories (n, 1) that should move an angle as this one, where they moved it as ``found``."""
        ratio = (self.jumps + PRIOR / self.steps) / (found.jumps + PRIOR / self.steps)
        factor = np.clip(np.exp(np.log(ratio).mean(axis=0)), 1 / LARGEST_CHANGE, LARGEST_CHANGE)[:, None]
        step = np.clip(self.small / np.maximum(found.small, TINY), 1 / LARGEST_STEP, 1.0)[:, None]
        # A wide memory leads over barriers by itself: beyond some point fewer jumps need a narrower one.
        step = np.where(factor < OFTEN, step / LARGEST_STEP, step)
        return Memory(
            np.clip(memories.jump * factor, SMALLEST_JUMP, LARGEST_JUMP),
            np.maximum(memories.width * step, NARROWEST),
        )


@dataclass(frozen=True)
class _Seen:
    """What frames show: densities of neighbouring azimuths and of torsions, and how both move."""

    links: _Density
    torsions: _Density
    planes_move: _Moves
    torsions_move: _Moves

    @classmethod
    def of(cls, decoder: Decoder, atoms: Floats, lengths: tuple[int, ...], cells: int) -> Self:
        """Of atoms (frames, N, 3), nm, in trajectories of these lengths."""
        trace, (numbers, azimuths) = backbone_trace(decoder.backbone, atoms)
        torsions = decoder.remembered(atoms).torsions
        before, after = azimuths[:, :-1] + shift(trace, numbers), azimuths[:, 1:]
        return cls(
            _Density.of((circle.cell_of(before, cells), circle.cell_of(after, cells)), cells),
            _Density.of((circle.cell_of(torsions, cells),), cells),
            _Moves.of(azimuths, lengths),
            _Moves.of(torsions, lengths),
        )
