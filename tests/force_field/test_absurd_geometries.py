"""No geometry gives a NaN: where the clamps are, what lies beyond them, and gradients on both sides."""

from __future__ import annotations

import numpy as np
import openmm
import pytest
import torch

from backmapbench.force_field import COORDINATE_LIMIT, MINIMUM_DISTANCE, TorchForceField

NAMES = ["dipeptide gbn2", "dipeptide obc2", "chignolin charmm36"]
FLOATS = [torch.float64, torch.float32]


def together(x, a, b):
    x[b] = x[a]
    return x


def straight(x):
    x[:] = 0
    x[:, 2] = 0.1 * torch.arange(len(x))
    return x


ABSURD = {
    "two atoms on top of each other": lambda x: together(x, 0, 15),
    "two bonded atoms on top of each other": lambda x: together(x, 4, 5),
    "a picometre of a picometre apart": lambda x: torch.cat((x[:1], x[:1] + 1e-6, x[2:])),
    "all within 1e-6 nm": lambda x: 1e-6 * x,
    "all at the origin": lambda x: 0 * x,
    "all at one place": lambda x: x[3].expand_as(x),
    "all on a line": straight,
    "all in a plane": lambda x: x * torch.tensor([1.0, 1.0, 0.0], dtype=x.dtype),
    "blown up": lambda x: 1000 * x,
    "one atom far away": lambda x: torch.cat((x[:-1], x[-1:] + COORDINATE_LIMIT / 2)),
    "as far as it goes": lambda x: torch.sign(x) * COORDINATE_LIMIT,
}


def energy_and_gradient(field, x):
    x = x.clone().requires_grad_()
    energy = field(x)
    (gradient,) = torch.autograd.grad(energy.sum(), x)
    return energy.detach(), gradient


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", NAMES)
def test_energies_and_gradients_are_finite_everywhere(name, dtype, make_case) -> None:
    case = make_case(name)
    field = TorchForceField.from_system(case.system).to(dtype)
    frames = torch.stack([change(case.tensor()[0].clone()) for change in ABSURD.values()]).to(dtype)
    energy, gradient = energy_and_gradient(field, frames)
    for place, geometry in enumerate(ABSURD):
        assert torch.isfinite(energy[place]), geometry
        assert torch.isfinite(gradient[place]).all(), geometry
    assert (energy[[0, 3, 4]] > 1e10).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_bad_frames_are_infinite_and_spoil_no_other(dtype, make_case) -> None:
    case = make_case("dipeptide gbn2")
    field = TorchForceField.from_system(case.system).to(dtype)
    x = case.tensor()[:1].repeat(6, 1, 1).to(dtype)
    good, slope = energy_and_gradient(field, x[:1])
    for place, value in enumerate((torch.nan, torch.inf, -torch.inf, 1.001 * COORDINATE_LIMIT), start=1):
        x[place, 7, 1] = value
    energy, gradient = energy_and_gradient(field, x)
    assert torch.equal(energy[1:5], torch.full((4,), torch.inf, dtype=dtype))
    assert torch.equal(gradient[1:5], torch.zeros_like(gradient[1:5]))
    for place in (0, 5):
        torch.testing.assert_close(energy[place], good[0], rtol=1e-5 if dtype == torch.float32 else 1e-12, atol=0)
        torch.testing.assert_close(gradient[place], slope[0], rtol=1e-3, atol=1e-3 * float(slope.abs().max()))
    assert all(torch.isinf(term[1:5]).all() for term in field.terms(x).values())


@pytest.mark.parametrize("dtype", FLOATS)
def test_pairs_are_clamped_at_the_minimum_distance_and_nowhere_else(dtype) -> None:
    system = openmm.System()
    force = openmm.NonbondedForce()
    for _ in range(4):
        system.addParticle(1.0)
        force.addParticle(0.3, 0.3, 0.5)
    force.addException(0, 1, 0.09, 0.3, 0.5)  # the same numbers as a 1-4 pair
    force.addException(0, 3, 0, 1, 0)
    force.addException(1, 2, 0, 1, 0)
    force.addException(0, 2, 0, 1, 0)
    force.addException(1, 3, 0, 1, 0)
    system.addForce(force)
    field = TorchForceField.from_system(system).to(dtype)
    r = MINIMUM_DISTANCE * torch.tensor([0.0, 1e-4, 0.5, 0.999, 1.001, 2.0], dtype=dtype)
    x = torch.zeros(6, 4, 3, dtype=dtype)
    x[:, 1, 0], x[:, 3, 0] = r, r
    x.requires_grad_()
    terms = field.terms(x)
    reached = r.clamp_min(MINIMUM_DISTANCE)
    rtol = 1e-4 if dtype == torch.float32 else 1e-9
    for suffix in ("", "_14"):
        expected = 2 * ((0.3 / reached) ** 12 - (0.3 / reached) ** 6)
        torch.testing.assert_close(terms["lennard_jones" + suffix], expected, rtol=rtol, atol=0)
        expected = 138.93545764438198 * 0.09 / reached
        torch.testing.assert_close(terms["coulomb" + suffix], expected, rtol=rtol, atol=0)
    slopes = torch.autograd.grad(sum(terms.values()).sum(), x)[0]
    assert torch.equal(slopes[:4], torch.zeros_like(slopes[:4]))
    assert (slopes[4:, 1, 0] < -1e15).all()
    torch.testing.assert_close(slopes[:, 1], slopes[:, 3], rtol=rtol, atol=0)
    assert terms["lennard_jones"].max() < 1e19


def test_straight_angles_stop_no_other_term(make_case, oracle) -> None:
    """At 1e-6 rad from straight the torsions still agree with OpenMM; at 1e-13 they are undefined and without force."""
    system = openmm.System()
    force, bend = openmm.PeriodicTorsionForce(), openmm.HarmonicAngleForce()
    for _ in range(4):
        system.addParticle(1.0)
    force.addTorsion(0, 1, 2, 3, 1, 0.3, 5.0)
    bend.addAngle(0, 1, 2, 2.0, 400.0)
    bend.addAngle(1, 2, 3, 2.0, 0.0)  # says that 2 and 3 are bonded
    system.addForce(force)
    system.addForce(bend)
    field = TorchForceField.from_system(system)
    frames = [[[-0.1, 0.1 * off, 0.0], [0, 0, 0], [0.15, 0, 0], [0.2, 0.03, 0.1]] for off in (1e-4, 1e-6, 1e-13, 0.0)]
    x = torch.tensor(frames, dtype=torch.float64)
    terms = field.terms(x)
    np.testing.assert_allclose(field(x)[:2], oracle(system, x[:2])[0], atol=1e-6)
    assert torch.equal(terms["torsions"][2:], torch.full((2,), 5.0 * (1 + np.cos(0.3)), dtype=torch.float64))
    np.testing.assert_allclose(terms["angles"][1:], 200 * (np.pi - 2.0) ** 2, atol=1e-3)
    assert torch.isfinite(field.forces(x)).all()
    assert field.forces(x)[2:, 3].abs().max() == 0


def test_energies_far_above_any_real_one_still_order(make_case) -> None:
    """Collapsing a molecule raises its energy without end, up to the clamp: what a loss needs to push it apart."""
    case = make_case("dipeptide")
    field = TorchForceField.from_system(case.system)
    shrunk = torch.stack([case.tensor()[0] * scale for scale in (1.0, 0.6, 0.3, 0.2, 0.1)])
    assert (torch.diff(field(shrunk)) > 0).all()
