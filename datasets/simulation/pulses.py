"""Drawing atoms at held beads: warm pulses that cross barriers, accepted so that the samples stay those of the ensemble.

A pulse is a tempered transition (Neal, Stat. Comput. 6, 353 (1996)): MD through a ladder of temperatures up and down
again. With U the potential energy where the inverse temperature is switched from beta to beta', its end is taken with
probability min(1, exp(-sum (beta' - beta) U)), else the molecule goes on from where the pulse began. So pulses leave the
Boltzmann distribution of the atoms unchanged whether they are taken or not. Momenta are scaled with the square root of
the temperature at every switch, and so drop out.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backmapbench.datasets.measures import KB
from backmapbench.datasets.simulation.holding import Held
from backmapbench.errors import CardError


@dataclass(frozen=True)
class Drawing:
    """How samples are drawn; one follows from the other along a chain that starts at the stored frame.

    Attributes:
        samples: samples of every frame.
        warm_K: highest temperature of a pulse.
        pulse_ps: time up and down the ladder; 0 for no pulse.
        settle_ps: time at the frames' own temperature after the pulse.
        step_ps: integration step; frozen atoms leave fast flexible bonds, so it is half the recipe's.
        friction_per_ps: friction of the thermostat; it changes times, not the ensemble.
        levels: temperatures above the frames' own, in equal ratios.
        accept: whether pulses are accepted as above. Large molecules have too much energy to shed for that: without it
            every pulse is taken, and what relaxes more slowly than ``settle_ps`` keeps a trace of the cooling.
    """

    samples: int
    warm_K: float
    pulse_ps: float
    settle_ps: float
    step_ps: float
    friction_per_ps: float = 5.0
    levels: int = 25
    accept: bool = True

    def __post_init__(self) -> None:
        if self.samples < 1 or self.levels < 1 or min(self.settle_ps, self.step_ps, self.friction_per_ps) <= 0:
            raise CardError("samples, levels, settle_ps, step_ps and friction_per_ps must be above 0; correct them")
        if 0 < self.pulse_ps < 2 * self.levels * self.step_ps:
            raise CardError(
                f"pulse_ps = {self.pulse_ps} is below one step for each of {2 * self.levels} levels; make it longer or 0"
            )

    @property
    def settings(self) -> dict[str, Any]:
        """All settings, for provenance."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Draw:
    """One sample.

    Attributes:
        positions: float64 (atoms, 3), nm, with the beads exactly where they belong.
        accepted: whether the pulse was taken; True without one.
        bead_error: how far the worst bead was off before it was put right, nm.
    """

    positions: NDArray[np.float64]
    accepted: bool
    bead_error: float


def draw(
    held: Held,
    platform: Any,
    start: NDArray[np.float64],
    beads: NDArray[np.float64],
    temperature: float,
    drawing: Drawing,
    seed: int,
) -> Draw:
    """The sample that follows ``start`` (atoms, 3), nm, at ``beads`` (beads, 3), nm: a function of its arguments alone.

    ``temperature`` in K. Raises openmm.OpenMMException when coordinates run to NaN.
    """
    import openmm
    from openmm import unit

    held.aim(beads)
    integrator = openmm.LangevinMiddleIntegrator(temperature, drawing.friction_per_ps, drawing.step_ps)
    integrator.setRandomNumberSeed(seed)
    context = openmm.Context(held.system, integrator, platform)
    placed, _ = held.put_right(start, beads)
    context.setPositions(placed)
    context.applyConstraints(1e-6)
    context.setVelocitiesToTemperature(temperature, seed)
    accepted = True
    if drawing.pulse_ps > 0:
        before = context.getState(getPositions=True, getVelocities=True)
        weight = _pulse(context, integrator, temperature, drawing)
        accepted = not drawing.accept or bool(np.log(np.random.default_rng(seed).random()) < weight)
        if not accepted:
            context.setPositions(before.getPositions())
            context.setVelocities(before.getVelocities())
    integrator.setTemperature(temperature)
    integrator.step(round(drawing.settle_ps / drawing.step_ps))
    xyz = context.getState(getPositions=True).getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    positions, error = held.put_right(np.asarray(xyz, dtype=np.float64), beads)
    return Draw(positions, accepted, error)


def _pulse(context: Any, integrator: Any, temperature: float, drawing: Drawing) -> float:
    """Run the ladder up and down; returns the logarithm of the acceptance ratio."""
    ladder = temperature * (drawing.warm_K / temperature) ** (np.arange(drawing.levels + 1) / drawing.levels)
    steps = round(drawing.pulse_ps / drawing.step_ps / (2 * drawing.levels))
    weight = 0.0
    # The top level is run twice, once for the way up and once for the way down: so the way back is the way there.
    for old, new in zip(ladder[:-1], ladder[1:], strict=True):
        weight += _switch(context, integrator, old, new)
        integrator.step(steps)
    for old, new in zip(ladder[:0:-1], ladder[-2::-1], strict=True):
        integrator.step(steps)
        weight += _switch(context, integrator, old, new)
    return weight


def _switch(context: Any, integrator: Any, old: float, new: float) -> float:
    from openmm import unit

    state = context.getState(getEnergy=True, getVelocities=True)
    energy = state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)
    velocities = np.asarray(state.getVelocities(asNumpy=True)._value)  # noqa: SLF001 - nm/ps, without the unit's copy
    context.setVelocities(velocities * np.sqrt(new / old))
    integrator.setTemperature(new)
    return -(1 / new - 1 / old) / KB * float(energy)
