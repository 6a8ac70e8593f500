import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from backmapbench.reference_models.chain_flow.prior import ANYWHERE_NM2, Conditional, covariance
from backmapbench.reference_models.chain_flow.settings import load_preset

PRIOR = load_preset("proteins").prior
CHAIN = torch.zeros(20, dtype=torch.int64)
FIVE = torch.block_diag(*[torch.full((1, 4), 0.25, dtype=torch.float64)] * 5)


def test_bonds_have_their_length_and_correlation():
    found = covariance(CHAIN, PRIOR).numpy()
    steps = np.diff(np.eye(20), axis=0)
    bonds = 3 * steps @ found @ steps.T
    np.testing.assert_allclose(np.diag(bonds), PRIOR.bond_nm**2, rtol=1e-6)
    ratio = PRIOR.stiffness * np.exp(-3 / PRIOR.persistence)
    np.testing.assert_allclose(np.diag(bonds, 3), ratio * PRIOR.bond_nm**2, rtol=1e-6)


def test_chains_know_nothing_of_each_other():
    chain = torch.tensor([0] * 5 + [1] * 4 + [-1] * 2)
    found = covariance(chain, PRIOR)
    assert bool((found[:5, 5:] == 0).all())
    torch.testing.assert_close(found[5:9, 5:9], covariance(chain[5:9] - 1, PRIOR))
    torch.testing.assert_close(found[9:, 9:], torch.eye(2, dtype=torch.float64))
    assert bool((found[:9, :9].diagonal() >= ANYWHERE_NM2).all())


def test_mean_and_spread_are_those_of_the_joint_normal_density():
    # Oracle: the precision of (C-alphas given beads) is C^-1 + B^T N^-1 B, an independent formula.
    noise = torch.full((5,), 0.05, dtype=torch.float64)
    prior = covariance(CHAIN, PRIOR)
    found = Conditional.of(prior, FIVE, noise)
    precision = np.linalg.inv(prior.numpy()) + FIVE.numpy().T @ FIVE.numpy() / 0.05**2
    expected = np.linalg.inv(precision)
    np.testing.assert_allclose(found.spread.numpy() ** 2, np.diag(expected), rtol=1e-5)
    np.testing.assert_allclose(found.gain.numpy(), expected @ FIVE.numpy().T / 0.05**2, atol=1e-5)


def test_draws_have_the_conditional_mean_and_spread():
    found = Conditional.of(covariance(CHAIN, PRIOR), FIVE, torch.full((5,), 0.05, dtype=torch.float64))
    generator = torch.Generator().manual_seed(0)
    beads = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    noise = (torch.randn(4000, rows, 3, generator=generator, dtype=torch.float64) for rows in (20, 5))
    drawn = found.draw(beads, *noise)
    torch.testing.assert_close(drawn.mean(0), found.mean(beads), atol=0.02, rtol=0)
    torch.testing.assert_close(drawn.std(0).mean(-1), found.spread, atol=0.01, rtol=0.05)


@given(st.lists(st.integers(0, 4), min_size=12, max_size=12), st.integers(0, 2**31))
def test_draws_have_the_beads_whatever_the_assignment(assignment, seed):
    bead = torch.tensor(assignment)
    operator = torch.zeros(5, 12, dtype=torch.float64)
    operator[bead, torch.arange(12)] = 1.0
    operator = operator / operator.sum(-1, keepdim=True).clamp_min(1)
    held = operator.sum(-1) > 0
    found = Conditional.of(covariance(CHAIN[:12], PRIOR), operator, torch.zeros(5, dtype=torch.float64))
    generator = torch.Generator().manual_seed(seed)
    beads = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    noise = (torch.randn(rows, 3, generator=generator, dtype=torch.float64) for rows in (12, 5))
    torch.testing.assert_close((operator @ found.draw(beads, *noise))[held], beads[held], atol=1e-4, rtol=0)
    moved = operator @ (found.stiff_gain() @ beads)
    torch.testing.assert_close(moved[held], beads[held], atol=1e-7, rtol=0)


def test_a_residue_far_from_a_bead_is_less_certain():
    found = Conditional.of(covariance(CHAIN, PRIOR), FIVE[2:3], torch.full((1,), 0.05, dtype=torch.float64))
    assert found.spread[0] > found.spread[4] > found.spread[9]
    # Wherever the bead is, the chain is.
    assert float(found.gain.sum(-1).min()) == pytest.approx(1.0, abs=1e-5)
