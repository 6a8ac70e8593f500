"""Bond and angle springs under which settled training frames stretch and bend as they did in their own simulation."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import openmm
from numpy.typing import NDArray

from backmapbench.reference_models.equivariant_temporal.backbone import unit
from backmapbench.reference_models.equivariant_temporal.nonbonded import plain

Floats = NDArray[np.float64]
SOFTEST, HARDEST = 0.7, 1.4  # factors on a spring's strength
Key = tuple[float, float]


def fitted_springs(system: openmm.System, wanted: Floats, settle: Callable[[openmm.System], Floats]) -> openmm.System:
    """A copy of ``system`` with springs of each kind shifted in length and scaled in strength.

    A simulation's finite step leaves stiff bonds somewhat hotter than its thermostat (by 1 / (1 - (w dt)^2 / 4) for
    Verlet steps); frames settled otherwise differ from it by a few per cent. ``wanted`` (frames, N, 3): training
    frames; ``settle``: gives the same frames settled under a system. Springs of equal parameters count as one kind.
    """
    found, fitted = settle(system), copy.deepcopy(system)
    for force in fitted.getForces():
        if isinstance(force, openmm.HarmonicBondForce):
            rows = [force.getBondParameters(number) for number in range(force.getNumBonds())]
            for number, row in enumerate(_adjusted(rows, 2, wanted, found)):
                force.setBondParameters(number, *row)
        elif isinstance(force, openmm.HarmonicAngleForce):
            rows = [force.getAngleParameters(number) for number in range(force.getNumAngles())]
            for number, row in enumerate(_adjusted(rows, 3, wanted, found)):
                force.setAngleParameters(number, *row)
    return fitted


def _adjusted(rows: list[list[object]], atoms: int, wanted: Floats, found: Floats) -> list[list[object]]:
    """Rows (atoms, rest, strength) with rest and strength changed."""
    ends = np.array([row[:atoms] for row in rows], dtype=np.intp)
    measured = [_lengths(points, ends) if atoms == 2 else _angles(points, ends) for points in (wanted, found)]
    variances, means = ([values.var(axis=0) for values in measured], [values.mean(axis=0) for values in measured])
    kinds: dict[Key, list[int]] = {}
    for number, row in enumerate(rows):
        kinds.setdefault((plain(row[-2]), plain(row[-1])), []).append(number)
    adjusted = [list(row) for row in rows]
    for (rest, strength), members in kinds.items():
        before, after = variances[0][members].mean(), variances[1][members].mean()
        factor = float(np.clip(after / before, SOFTEST, HARDEST)) if before > 0 else 1.0
        moved = rest + float((means[0] - means[1])[members].mean())
        for member in members:
            adjusted[member][-2:] = [moved, strength * factor]
    return adjusted


def _lengths(points: Floats, ends: NDArray[np.intp]) -> Floats:
    return np.asarray(np.linalg.norm(points[:, ends[:, 0]] - points[:, ends[:, 1]], axis=-1))


def _angles(points: Floats, ends: NDArray[np.intp]) -> Floats:
    left, right = (unit(points[:, ends[:, side]] - points[:, ends[:, 1]]) for side in (0, 2))
    return np.asarray(np.arccos(np.clip((left * right).sum(-1), -1, 1)))
