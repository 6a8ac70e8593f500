"""How the peptide planes are turned about the lines between C-alphas: one chain of angles per frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from backmapbench.reference_models.equivariant_temporal import circle
from backmapbench.reference_models.equivariant_temporal.backbone import Backbone, Trace, measure_planes, place_planes
from backmapbench.reference_models.equivariant_temporal.circle import TINY, TURN, Memory
from backmapbench.reference_models.equivariant_temporal.settings import Settings

Floats = NDArray[np.float64]
BENDS = 36  # cells of the angle at a bead, 5 degrees each
STEPS_FITTED = 100  # steps in time that the memory is fitted on
PLANE_JUMPS = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
PLANE_WIDTHS = tuple(np.radians((15, 22, 33, 50, 75)))


@dataclass(frozen=True)
class Azimuths:
    """Density of all planes' azimuths: prod over inner residues of p(azimuth before, azimuth after, bend).

    A residue's two azimuths and its bend are a change of variables of phi, psi and the angle N-CA-C, so the product is
    Flory's isolated-pair hypothesis; the torsions of the C-alpha trace shift the azimuths against each other. Given the
    beads it is a chain, drawn exactly by forward sums and backward draws (as in a hidden Markov model). The frame before
    multiplies every azimuth's weight by jump + (1 - jump) near.

    Attributes:
        tables: weights (residues - 2, bends, cells before, cells after).
        memory: of every plane.
    """

    tables: Floats
    memory: Memory

    @classmethod
    def fit(cls, backbone: Backbone, trace: Trace, planes: tuple[Floats, Floats], now: NDArray[np.intp],
            settings: Settings) -> Azimuths:
        """From training frames: their trace and measured planes; ``now`` are frames that have a frame before them."""
        numbers, azimuth = planes
        before = circle.wrap(azimuth[:, :-1] + shift(trace, numbers))
        counts = np.stack([
            _histogram(before[:, inner], azimuth[:, inner + 1], trace.bend[:, inner], settings)
            for inner in range(trace.bend.shape[1])
        ])
        classes = np.array(backbone.classes[1:-1])
        shared = np.stack([counts[classes == name].mean(axis=0) for name in classes])
        frames = len(azimuth)
        weights = counts + settings.shared_frames / frames * shared
        weights = weights / weights.sum(axis=(1, 2, 3), keepdims=True)
        weights = (1 - settings.floor) * weights + settings.floor / weights[0].size
        made = cls(weights * weights[0].size, Memory(1.0, PLANE_WIDTHS[-1]))
        steps = now[:: max(1, len(now) // STEPS_FITTED)]
        return cls(made.tables, made._fit_memory(trace, numbers, azimuth, steps)) if len(steps) else made

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
        return self.memory.jump + (1 - self.memory.jump) * self.memory.near(before, cells)

    @staticmethod
    def _forward(links: Floats, weights: Floats, sums: list[Floats] | None = None) -> Floats:
        forward = np.empty_like(weights)
        for plane in range(weights.shape[1]):
            part = weights[:, plane]
            if plane:
                part = part * (forward[:, plane - 1, None] @ links[:, plane - 1])[:, 0]
            total = np.maximum(part.sum(-1, keepdims=True), TINY)
            if sums is not None:
                sums.append(np.log(total[:, 0]))
            forward[:, plane] = part / total
        return forward

    def _fit_memory(self, trace: Trace, numbers: Floats, azimuth: Floats, steps: NDArray[np.intp]) -> Memory:
        cells = self.tables.shape[-1]
        links = self.links(trace.bend[steps], shift(trace, numbers)[steps])
        now = circle.cell_of(azimuth[steps], cells)[..., None]
        best = (-np.inf, self.memory)
        for width in PLANE_WIDTHS:
            near = Memory(0.0, width).near(azimuth[steps - 1], cells)
            for jump in PLANE_JUMPS:
                weights = jump + (1 - jump) * near
                sums: list[Floats] = []
                self._forward(links, weights, sums)
                own = np.log(np.take_along_axis(weights, now, axis=-1)).sum()
                best = max(best, (float(own - np.sum(sums)), Memory(jump, width)), key=lambda pair: pair[0])
        return best[1]


def shift(trace: Trace, numbers: Floats) -> Floats:
    """What a plane's azimuth, of its carbon, is short of its nitrogen's seen from the next bead: (..., planes - 1)."""
    _, nitrogen = place_planes(trace, numbers, np.zeros(numbers.shape[:-1]))
    return np.asarray(trace.azimuth(nitrogen)[..., :-1] - trace.turn)


def backbone_trace(backbone: Backbone, atoms: NDArray[np.floating]) -> tuple[Trace, tuple[Floats, Floats]]:
    """Trace and measured planes of atoms (frames, atoms, 3)."""
    atoms = np.asarray(atoms, dtype=np.float64)
    trace = Trace.of(atoms[:, backbone.ca])
    return trace, measure_planes(trace, atoms[:, backbone.carbon], atoms[:, backbone.nitrogen])


def _histogram(before: Floats, after: Floats, bend: Floats, settings: Settings) -> Floats:
    """Smoothed counts (bends, cells, cells) of one residue."""
    cells = settings.grid
    counts = np.zeros((BENDS, cells, cells))
    bends = np.clip((bend * BENDS / np.pi).astype(np.intp), 0, BENDS - 1)
    np.add.at(counts, (bends, circle.cell_of(before, cells), circle.cell_of(after, cells)), 1.0)
    width = np.radians(settings.plane_smoothing_degrees) * cells / TURN
    smoothed = gaussian_filter(counts, (0.7, width, width), mode=("nearest", "wrap", "wrap"))
    return np.asarray(smoothed)
