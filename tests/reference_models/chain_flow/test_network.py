from dataclasses import replace

import pytest
import torch
from scipy.spatial.transform import Rotation

from backmapbench.reference_models.chain_flow.beads import Beads
from backmapbench.reference_models.chain_flow.prior import covariance
from backmapbench.reference_models.chain_flow.scene import Context, Scene
from backmapbench.reference_models.chain_flow.settings import load_preset
from backmapbench.reference_models.internal_coordinates.residues import NO_RESIDUE

RESIDUES, FRAMES = 14, 3


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def scene(padding=0, seed=0):
    """(scene, places, times): two chains of 8 and 6 residues in 4 beads, the second of which has two runs."""
    generator = torch.Generator().manual_seed(seed)
    chain = torch.tensor([0] * 8 + [1] * 6 + [-1] * padding)
    bead = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 1, 1, 3, 3, 3, 3])
    operator = torch.zeros(4, RESIDUES + padding)
    operator[bead, torch.arange(RESIDUES)] = 1.0
    operator = operator / operator.sum(-1, keepdim=True)
    prior = covariance(chain, load_preset("proteins").prior)
    beads = Beads.of(prior, operator, 0.8 * operator, 0.1)
    positions = torch.randn(FRAMES, 4, 3, generator=generator)
    types = torch.randint(20, (RESIDUES,), generator=generator)
    types = torch.cat([types, torch.full((padding,), NO_RESIDUE)])
    found = Scene(
        types.expand(FRAMES, -1),
        chain.expand(FRAMES, -1),
        beads.operator.expand(FRAMES, -1, -1),
        beads.share.expand(FRAMES, -1, -1),
        beads.given.spread.expand(FRAMES, -1),
        positions,
        beads.given.mean(positions),
    )
    at = found.mean[:, :RESIDUES] + 0.3 * torch.randn(FRAMES, RESIDUES, 3, generator=generator)
    at = torch.cat([at, torch.zeros(FRAMES, padding, 3)], dim=1)
    return found, at, torch.tensor([0.1, 0.5, 0.9])


@torch.no_grad()
def velocity(network, found, at, times):
    return network(found, Context.of(found), at, times)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_turned_and_shifted_scenes_have_turned_velocities(network, seed):
    found, at, times = scene(seed=seed)
    turn = torch.from_numpy(Rotation.random(random_state=seed).as_matrix())
    shift = torch.tensor([0.5, -1.0, 2.0])
    moved = replace(found, beads=found.beads @ turn.T + shift, mean=found.mean @ turn.T + shift)
    first = velocity(network(), found, at, times)
    assert float(first.abs().max()) > 0.01
    torch.testing.assert_close(
        velocity(network(), moved, at @ turn.T + shift, times), first @ turn.T, atol=1e-9, rtol=0
    )


def test_a_mirrored_scene_is_another_one(network):
    found, at, times = scene()
    mirror = torch.tensor([1.0, 1.0, -1.0])
    mirrored = replace(found, beads=found.beads * mirror, mean=found.mean * mirror)
    apart = velocity(network(), mirrored, at * mirror, times) * mirror - velocity(network(), found, at, times)
    assert float(apart.abs().max()) > 1e-4


def test_the_order_of_beads_means_nothing(network):
    found, at, times = scene()
    order = torch.tensor([2, 0, 3, 1])
    other = replace(
        found, operator=found.operator[:, order], share=found.share[..., order], beads=found.beads[:, order]
    )
    torch.testing.assert_close(
        velocity(network(), other, at, times), velocity(network(), found, at, times), atol=1e-12, rtol=0
    )


def test_padding_and_other_frames_change_nothing(network):
    found, at, times = scene()
    first = velocity(network(), found, at, times)
    longer, places, _ = scene(padding=5)
    second = velocity(network(), longer, places, times)[:, :RESIDUES]
    torch.testing.assert_close(second, first, atol=1e-12, rtol=0)
    alone = Scene(*(getattr(found, name)[1:2] for name in Scene.__dataclass_fields__))
    torch.testing.assert_close(velocity(network(), alone, at[1:2], times[1:2]), first[1:2], atol=1e-12, rtol=0)


def test_it_sees_beads_types_and_time(network):
    found, at, times = scene()
    first = velocity(network(), found, at, times)
    others = (
        velocity(network(), replace(found, beads=found.beads + 0.1 * torch.eye(4)[:, :3]), at, times),
        velocity(network(), replace(found, types=(found.types + 1) % 20), at, times),
        velocity(network(), found, at, times + 0.1),
    )
    assert all(float((other - first).abs().max()) > 1e-5 for other in others)
