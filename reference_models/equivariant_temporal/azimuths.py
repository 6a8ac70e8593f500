"""How the peptide planes are turned about the lines between C-alphas: one chain of angles per frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from backmapbench.reference_models.equivariant_temporal import circle
from backmapbench.reference_models.equivariant_temporal.backbone import (
    Backbone,
    Trace,
    measure_planes,
    place_planes,
)
from backmapbench.reference_models.equivariant_temporal.circle import TINY, TURN, Memory
from backmapbench.reference_models.equivariant_temporal.inner_angle import BENDS, sharpening
from backmapbench.reference_models.equivariant_temporal.settings import Settings

Floats = NDArray[np.float64]
BEND_SMOOTHING = 1.4  # cells
FRAMES_AT_ONCE = 50  # bounds memory
PLANE_JUMPS = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
PLANE_WIDTHS = tuple(np.radians((15, 22, 33, 50, 75)))


@dataclass(frozen=True)
class Azimuths:
    """Density of all planes' azimuths: prod over inner residues of p(azimuth before, azimuth after, bend).

    A residue's two azimuths and its bend are a change of variables of phi, psi and the angle N-CA-C, so the product is
    Flory's isolated-pair hypothesis; the torsions of the C-alpha trace shift the azimuths against each other. Given
    the beads it is a chain, drawn exactly by forward sums and backward draws (as in a hidden Markov model). The frame
    before multiplies every azimuth's weight by jump + (1 - jump) near.

    Attributes:
        tables: weights (residues - 2, bends, cells before, cells after).
        memories: of each plane: jumps and widths (planes,).
    """

    tables: Floats
    memories: Memory

    @classmethod
    def fit(
        cls, backbone: Backbone, trace: Trace, planes: tuple[Floats, Floats], now: NDArray[np.intp], settings: Settings
    ) -> Azimuths:
        """From training frames: their trace and measured planes; ``now`` are frames that have a frame before them."""
        numbers, azimuth = planes
        before = circle.wrap(azimuth[:, :-1] + shift(trace, numbers))
        counts = np.stack(
            [
                _histogram(before[:, inner], azimuth[:, inner + 1], trace.bend[:, inner], settings)
                for inner in range(trace.bend.shape[1])
            ]
        )
        classes = np.array(backbone.classes[1:-1])
        shared = np.stack([counts[classes == name].mean(axis=0) for name in classes])
        frames = len(azimuth)
        weights = counts + settings.shared_frames / frames * shared
        for inner in range(len(weights)):
            weights[inner] *= sharpening(weights[inner], trace, numbers, azimuth, inner)
        weights = weights / weights.sum(axis=(1, 2, 3), keepdims=True)
        weights = (1 - settings.floor) * weights + settings.floor / weights[0].size
        count = azimuth.shape[1]
        made = cls(weights * weights[0].size, Memory(np.ones((count, 1)), np.full((count, 1), PLANE_WIDTHS[-1])))
        return cls(made.tables, made._fit_memories(trace, numbers, azimuth, now)) if len(now) else made

    def links(self, bend: Floats, shifts: Floats) -> Floats:
        """Weights (frames, residues - 2, cells, cells) of neighbouring azimuths, for bends and shifts (frames, -2)."""
        cells = self.tables.shape[-1]
        place = np.clip(bend * BENDS / np.pi - 0.5, 0, BENDS - 1 - 1e-9)
        low = place.astype(np.intp)
        high = (place - low)[..., None, None]
        which = np.arange(bend.shape[-1])
        table = (1 - high) * self.tables[which, low] + high * self.tables[which, low + 1]
        moved = shifts * cells / TURN
        whole = np.floor(moved).astype(np.intp)
        part = (moved - whole)[..., None, None]
        rows = (np.arange(cells) + whole[..., None]) % cells
        first = np.take_along_axis(table, rows[..., None], axis=-2)
        second = np.take_along_axis(table, ((rows + 1) % cells)[..., None], axis=-2)
        return np.asarray((1 - part) * first + part * second)

    def draw(self, links: Floats, before: Floats | None, uniform: Floats) -> Floats:
        """Azimuths (frames, draws, planes) by ``uniform`` of the same shape; ``before`` (frames, planes) or None."""
        frames, draws, planes = uniform.shape
        cells = links.shape[-1]
        forward = self._forward(links, self._weights(before, frames, planes, cells))
        angles = np.empty_like(uniform)
        weights = np.broadcast_to(forward[:, -1, None], (frames, draws, cells))
        for plane in range(planes - 1, -1, -1):
            cell, angles[..., plane] = circle.draw(weights, uniform[..., plane])
            if plane:
                column = np.take_along_axis(links[:, plane - 1], cell[:, None, :], axis=-1).swapaxes(1, 2)
                weights = forward[:, plane - 1, None] * column
        return angles

    def _weights(self, before: Floats | None, frames: int, planes: int, cells: int) -> Floats:
        if before is None:
            return np.ones((frames, planes, cells))
        return self.memories.jump + (1 - self.memories.jump) * self.memories.near(before, cells)

    @staticmethod
    def _forward(links: Floats, weights: Floats) -> Floats:
        forward = np.empty_like(weights)
        for plane in range(weights.shape[1]):
            part = weights[:, plane]
            if plane:
                part = part * (forward[:, plane - 1, None] @ links[:, plane - 1])[:, 0]
            forward[:, plane] = part / np.maximum(part.sum(-1, keepdims=True), TINY)
        return forward

    def _fit_memories(self, trace: Trace, numbers: Floats, azimuth: Floats, now: NDArray[np.intp]) -> Memory:
        """Each plane's most likely memory, given its neighbours as they are."""
        alone = self._given_neighbours(trace, numbers, azimuth, now)
        found = [
            _fit_plane(alone[:, plane], azimuth[now, plane], azimuth[now - 1, plane])
            for plane in range(azimuth.shape[1])
        ]
        return circle.together(found)

    def _given_neighbours(self, trace: Trace, numbers: Floats, azimuth: Floats, frames: NDArray[np.intp]) -> Floats:
        """Density of each plane's azimuth without memory, neighbours given: (frames, planes, cells), summing to 1."""
        cells = self.tables.shape[-1]
        shifts, place = shift(trace, numbers), circle.cell_of(azimuth, cells)
        weights = np.ones((len(frames), azimuth.shape[1], cells))
        for start in range(0, len(frames), FRAMES_AT_ONCE):
            part = slice(start, start + FRAMES_AT_ONCE)
            rows = frames[part]
            links = self.links(trace.bend[rows], shifts[rows])
            before, after = place[rows, :-1, None, None], place[rows, 1:, None, None]
            weights[part, 1:] *= np.take_along_axis(links, before, axis=-2)[..., 0, :]
            weights[part, :-1] *= np.take_along_axis(links, after, axis=-1)[..., 0]
        return np.asarray(weights / np.maximum(weights.sum(-1, keepdims=True), TINY))


def _fit_plane(alone: Floats, now: Floats, before: Floats) -> Memory:
    """Most likely memory of steps from ``before`` to ``now`` (steps,) of densities ``alone`` (steps, cells)."""
    cells = alone.shape[-1]
    best = (-np.inf, Memory(np.array(1.0), np.array(PLANE_WIDTHS[-1])))
    for width in PLANE_WIDTHS:
        near = Memory(np.array(0.0), np.array(width)).near(before, cells)
        for jump in PLANE_JUMPS:
            weights = jump + (1 - jump) * near
            own = np.take_along_axis(weights, circle.cell_of(now, cells)[:, None], axis=-1)[:, 0]
            score = float(np.log(own / np.maximum((alone * weights).sum(-1), TINY)).sum())
            best = max(best, (score, Memory(np.array(jump), np.array(width))), key=lambda pair: pair[0])
    return best[1]


def shift(trace: Trace, numbers: Floats) -> Floats:
    """What a plane's azimuth, of its carbon, is short of its nitrogen's seen from the next bead: (..., planes - 1)."""
    _, nitrogen = place_planes(trace, numbers, np.zeros(numbers.shape[:-1]))
    return np.asarray(trace.azimuth(nitrogen)[..., :-1] - trace.turn)


def backbone_trace(backbone: Backbone, atoms: NDArray[np.floating]) -> tuple[Trace, tuple[Floats, Floats]]:
    """Trace and measured planes of atoms (frames, atoms, 3)."""
    carbon, nitrogen = (np.array(atoms[:, rows], dtype=np.float64) for rows in (backbone.carbon, backbone.nitrogen))
    trace = Trace.of(atoms[:, backbone.ca])
    return trace, measure_planes(trace, carbon, nitrogen)


def _histogram(before: Floats, after: Floats, bend: Floats, settings: Settings) -> Floats:
    """Smoothed counts (bends, cells, cells) of one residue."""
    cells = settings.grid
    counts = np.zeros((BENDS, cells, cells))
    bends = np.clip((bend * BENDS / np.pi).astype(np.intp), 0, BENDS - 1)
    np.add.at(counts, (bends, circle.cell_of(before, cells), circle.cell_of(after, cells)), 1.0)
    width = np.radians(settings.plane_smoothing_degrees) * cells / TURN
    smoothed = gaussian_filter(counts, (BEND_SMOOTHING, width, width), mode=("nearest", "wrap", "wrap"))
    return np.asarray(smoothed)
