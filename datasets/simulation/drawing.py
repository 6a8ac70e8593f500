"""Drawing atoms at held beads: a chain of molecular dynamics from the stored frame, one sample after each stretch.

A stored frame is one sample of the atoms given its beads. Langevin dynamics with the beads held keeps that
distribution, so every link of the chain has it, whatever the chain's length; only links close in time resemble each
other. Methyl and ammonium groups are turned by thirds between stretches, which is exact as well. What turns too slowly
for that, side chains above all, is taken over its barriers by a warm stage before the stretch. A warm stage is not
exact: what relaxes more slowly than it cools and settles keeps a trace of the warmth.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backmapbench.datasets.simulation.holding import Held
from backmapbench.errors import CardError, DataError

COOLING_LEVELS = 20
"""Temperatures, in equal ratios, that cooling after a warm stage goes through."""


@dataclass(frozen=True)
class Drawing:
    """How samples are drawn; one follows from the other along a chain that starts at the stored frame.

    Attributes:
        samples: samples of every frame.
        settle_ps: time at the frames' own temperature before each sample is taken.
        warm_K: temperature of the warm stage before it.
        warm_ps: time at that temperature, and again as long for cooling; 0 for no warm stage.
        friction_per_ps: friction of the thermostat; it changes times, not the ensemble.
    """

    samples: int
    settle_ps: float
    warm_K: float = 0.0
    warm_ps: float = 0.0
    friction_per_ps: float = 5.0

    def __post_init__(self) -> None:
        if self.samples < 1 or min(self.settle_ps, self.friction_per_ps) <= 0 or self.warm_ps < 0:
            raise CardError("samples, settle_ps and friction_per_ps must be above 0, warm_ps not below; correct them")
        if bool(self.warm_K) != bool(self.warm_ps):
            raise CardError(f"warm_K = {self.warm_K} with warm_ps = {self.warm_ps}: a warm stage needs both; give both")

    @property
    def settings(self) -> dict[str, Any]:
        """All settings, for provenance."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Draw:
    """One sample.

    Attributes:
        positions: float64 (atoms, 3), nm, with the beads exactly where they belong.
        bead_error: how far the worst bead was off before it was put right, nm.
    """

    positions: NDArray[np.float64]
    bead_error: float


def draw(
    held: Held,
    platform: Any,
    start: NDArray[np.float64],
    beads: NDArray[np.float64],
    temperature: float,
    step_ps: float,
    drawing: Drawing,
    seed: int,
) -> Draw:
    """The sample that follows ``start`` (atoms, 3), nm, at ``beads`` (beads, 3), nm: a function of its arguments alone.

    ``temperature`` in K. Raises DataError for a warm stage below it, and when coordinates run away.
    """
    import openmm
    from openmm import unit

    if 0 < drawing.warm_K < temperature:
        raise DataError(f"warm_K = {drawing.warm_K} is below the frames' {temperature} K; choose a higher one")
    held.aim(beads)
    integrator = openmm.LangevinMiddleIntegrator(temperature, drawing.friction_per_ps, step_ps)
    integrator.setRandomNumberSeed(seed)
    context = openmm.Context(held.system, integrator, platform)
    placed, _ = held.put_right(held.turn_rotors(start, np.random.default_rng(seed)), beads)
    context.setPositions(placed)
    context.applyConstraints(1e-6)
    context.setVelocitiesToTemperature(drawing.warm_K or temperature, seed)
    try:
        for kelvin, time_ps in _stages(drawing, temperature):
            integrator.setTemperature(kelvin)
            integrator.step(max(1, round(time_ps / step_ps)))
    except openmm.OpenMMException as error:
        raise DataError(f"coordinates run away ({error}); choose a lower warm_K") from error
    xyz = context.getState(getPositions=True).getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    if not np.isfinite(xyz).all():
        raise DataError("coordinates run away (not finite); choose a lower warm_K")
    return Draw(*held.put_right(np.asarray(xyz, dtype=np.float64), beads))


def _stages(drawing: Drawing, temperature: float) -> list[tuple[float, float]]:
    """(temperature in K, time in ps) of every stage of one sample."""
    warm: list[tuple[float, float]] = []
    if drawing.warm_ps > 0:
        ladder = drawing.warm_K * (temperature / drawing.warm_K) ** (np.arange(COOLING_LEVELS) / COOLING_LEVELS)
        warm = [(drawing.warm_K, drawing.warm_ps), *((float(k), drawing.warm_ps / COOLING_LEVELS) for k in ladder)]
    return [*warm, (temperature, drawing.settle_ps)]
