"""Densities of angles on a grid of cells round the circle: smoothing, memory of the angle before, draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
TURN = 2 * np.pi
JUMPS = (0.0003, 0.001, 0.003, 0.006, 0.012, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8)  # shares tried for the memory
WIDTHS = tuple(np.radians((6, 10, 15, 22, 33, 50, 75)))  # rad, tried for the memory
TINY = 1e-300
LOST = 0.02  # of a uniform density; a well with less about the angle before is no longer there


@dataclass(frozen=True)
class Memory:
    """How an angle depends on the one before: with chance ``jump`` not at all, else it stays within ``width``, rad."""

    jump: Floats
    width: Floats

    def near(self, before: Floats, cells: int) -> Floats:
        """Weights (..., cells), of mean 1 over the circle, of staying near angles ``before`` (...), rad."""
        offset = wrap(centres(cells) - before[..., None])
        weights = np.exp(-0.5 * (offset / self.width) ** 2)
        return np.asarray(weights / weights.mean(-1, keepdims=True))


def together(memories: list[Memory]) -> Memory:
    """Memories of single angles as one, jumps and widths (angles, 1)."""
    jump, width = (
        np.array([values], dtype=np.float64).reshape(-1, 1)
        for values in ([memory.jump for memory in memories], [memory.width for memory in memories])
    )
    return Memory(jump, width)


def centres(cells: int) -> Floats:
    """Middles of the cells, rad, from -pi."""
    return (np.arange(cells) + 0.5) * TURN / cells - np.pi


def wrap(angles: Floats) -> Floats:
    """The same angles in [-pi, pi)."""
    return np.asarray((angles + np.pi) % TURN - np.pi)


def cell_of(angles: Floats, cells: int) -> NDArray[np.intp]:
    """Cell of each angle."""
    return np.asarray(np.floor((wrap(angles) + np.pi) * cells / TURN).astype(np.intp) % cells)


def draw(weights: Floats, uniform: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Cells and angles (...), rad, of weights (..., cells) of any sum, by inversion of ``uniform`` (...)."""
    cells = weights.shape[-1]
    passed = np.cumsum(weights, axis=-1)
    level = uniform * passed[..., -1]
    chosen = np.minimum((passed <= level[..., None]).sum(-1), cells - 1)
    width = np.take_along_axis(weights, chosen[..., None], axis=-1)[..., 0]
    above = np.take_along_axis(passed, chosen[..., None], axis=-1)[..., 0] - level
    inside = np.clip(1 - above / np.maximum(width, TINY), 0, 1)
    return chosen, (chosen + inside) * TURN / cells - np.pi


def remembering(weights: Floats, before: Floats, memory: Memory) -> Floats:
    """Density (..., cells) of an angle whose density without memory is ``weights`` (..., cells), summing to 1.

    A jump is drawn from ``weights`` itself, so the shares of wells are kept whatever the memory; otherwise the angle is
    drawn from ``weights`` near the one before. Where what it depends on has left it no well there, it jumps.
    """
    near = weights * memory.near(before, weights.shape[-1])
    local = near.sum(-1, keepdims=True)
    stay = (1 - memory.jump) * local / (local + LOST)
    return np.asarray((1 - stay) * weights + stay * near / np.maximum(local, TINY))


def fit_memory(weights: Floats, angles: Floats, before: Floats) -> Memory:
    """Most likely memory of the steps from ``before`` to ``angles`` (steps,), given ``weights`` (steps, cells)."""
    cells = weights.shape[-1]
    now = cell_of(angles, cells)[:, None]
    jumped = np.take_along_axis(weights, now, axis=-1)[:, 0]
    best = (-np.inf, Memory(np.array(1.0), np.array(WIDTHS[-1])))
    for width in WIDTHS:
        near = weights * Memory(np.array(0.0), np.array(width)).near(before, cells)
        local = near.sum(-1)
        stayed = np.take_along_axis(near, now, axis=-1)[:, 0] / np.maximum(local, TINY)
        for jump in JUMPS:
            stay = (1 - jump) * local / (local + LOST)
            score = float(np.log(np.maximum((1 - stay) * jumped + stay * stayed, TINY)).sum())
            best = max(best, (score, Memory(np.array(jump), np.array(width))), key=lambda pair: pair[0])
    return best[1]
