"""The angle N-CA-C as a function of what the beads fix and how the two planes beside it are turned."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backmapbench.reference_models.equivariant_temporal import circle
from backmapbench.reference_models.equivariant_temporal.backbone import Trace, place_planes, unit

Floats = NDArray[np.float64]
BENDS = 72  # cells of the angle at a bead, 2.5 degrees each


def sharpening(table: Floats, trace: Trace, numbers: Floats, azimuth: Floats, inner: int) -> Floats:
    """What gives the angle N-CA-C the variance back that smoothing has widened: a Gaussian factor, shape of ``table``.

    The angle is a function of both azimuths and the bend. Where smoothing has made its variance v of a true one w, the
    factor has variance v w / (v - w), as precisions of Gaussians add.
    """
    carbon, nitrogen = place_planes(trace, numbers, azimuth)
    centre, before, after = trace.beads[:, inner + 1], trace.beads[:, inner], trace.beads[:, inner + 2]
    ends = [unit(nitrogen[:, inner] - centre), unit(carbon[:, inner + 1] - centre)]
    true = np.arccos(np.clip((ends[0] * ends[1]).sum(-1), -1, 1))
    tilts = [
        float(np.arccos(np.clip((end * unit(bead - centre)).sum(-1), -1, 1)).mean())
        for end, bead in zip(ends, (before, after), strict=True)
    ]
    angle = inner_angle(tilts[0], tilts[1], table.shape[-1])
    mean = float((table * angle).sum() / table.sum())
    blurred = float((table * (angle - mean) ** 2).sum() / table.sum())
    wanted = float(true.var())
    if blurred <= wanted:
        return np.ones_like(table)
    return np.asarray(np.exp(-0.5 * (angle - true.mean()) ** 2 * (blurred - wanted) / (blurred * wanted)))


def inner_angle(first: float, second: float, cells: int) -> Floats:
    """Angle N-CA-C (bends, cells, cells), rad, for bonds tilted by these angles from the lines to the beads."""
    bend = ((np.arange(BENDS) + 0.5) * np.pi / BENDS)[:, None, None]
    before, after = circle.centres(cells)[:, None], circle.centres(cells)
    n = (np.cos(first), np.sin(first) * np.cos(before), -np.sin(first) * np.sin(before))
    along, towards, across = np.cos(second), np.sin(second) * np.cos(after), -np.sin(second) * np.sin(after)
    c = (along * np.cos(bend) + towards * np.sin(bend), along * np.sin(bend) - towards * np.cos(bend), across)
    return np.asarray(np.arccos(np.clip(sum(a * b for a, b in zip(n, c, strict=True)), -1, 1)))
