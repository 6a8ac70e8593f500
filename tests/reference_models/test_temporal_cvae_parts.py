"""Parts of the voxel cVAE: grid, network, losses, schedules, pairs; each against its law or another program."""

import math

import numpy as np
import openmm.unit as u
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation
from torch import nn

from backmapbench.reference_models.temporal_cvae import losses, schedules
from backmapbench.reference_models.temporal_cvae.fitting import PACKAGE
from backmapbench.reference_models.temporal_cvae.grid import Grid
from backmapbench.reference_models.temporal_cvae.latent import Mixture, fit_mixture, leading_correlation
from backmapbench.reference_models.temporal_cvae.network import Decoder, Sizes, VoxelCvae
from backmapbench.reference_models.temporal_cvae.pairs import euler_rotations, paired, uniform_rotations
from backmapbench.reference_models.temporal_cvae.scene import elastic
from backmapbench.reference_models.temporal_cvae.settings import Preset
from backmapbench.reference_models.training import read_preset
from backmapbench.reference_models.training.presets import preset_names

PRESETS = {name: read_preset(PACKAGE, name, Preset) for name in preset_names(PACKAGE)}
ADP, CLN = PRESETS["adp-paper"], PRESETS["cln-paper"]


def points(seed, reach, count=40):
    return torch.from_numpy(np.random.default_rng(seed).uniform(-reach, reach, (2, count, 3))).float()


@given(seed=st.integers(0, 2**32 - 1), preset=st.sampled_from([(ADP, 0.40), (CLN, 1.2)]))
@settings(max_examples=20, deadline=None)
def test_voxelise_then_locate(seed, preset):
    grid, atoms = Grid(preset[0].grid), points(seed, preset[1])
    assert (grid.locate(grid(atoms)) - atoms).abs().max() < 1e-3


@given(seed=st.integers(0, 2**32 - 1), name=st.sampled_from(sorted(PRESETS)), power=st.sampled_from([1.0, 2.0]))
@settings(max_examples=20, deadline=None)
def test_corrected_read_out_holds_to_a_voxel_from_the_edge(seed, name, power):
    preset = PRESETS[name]
    grid = Grid(preset.grid)
    atoms = points(seed, grid.edge_nm - preset.grid.width_nm / preset.grid.cells)
    voxels = grid(atoms)
    assert (grid.locate_corrected(voxels, power) - atoms).abs().max() < 1e-3
    assert (grid.locate(voxels) - atoms).abs().max() > 1e-3  # truncation, which the published read-out has
    floored = grid.locate_corrected(voxels + 1e-2, power)
    assert (floored - atoms).abs().max() < 1e-3


def test_published_read_out_shrinks_under_a_floor():
    """A floor b adds b d^3 to the mass and nothing to the first moment."""
    grid = Grid(ADP.grid)
    atoms = points(0, 0.3)
    voxels = grid(atoms)
    mass = voxels.sum((-1, -2, -3))[..., None]
    torch.testing.assert_close(
        grid.locate(voxels + 1e-3), grid.locate(voxels) * mass / (mass + 1e-3 * 12**3), atol=1e-5, rtol=1e-4
    )
    assert mass.mean() == pytest.approx(20.7, abs=0.1)


def test_density_is_the_published_one():
    """exp(-r^2 / s) at cell centres; other entries give the exp(-r^2 / 2 sigma^2) from -w/2 to w/2 of the paper."""
    atoms = points(1, 0.4, 3)
    grid = Grid(ADP.grid)
    axis = (np.arange(12) - 5.5) * 1.8 / 12
    cells = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    squares = cdist(atoms[0].numpy(), cells, "sqeuclidean").reshape(3, 12, 12, 12)
    np.testing.assert_allclose(grid(atoms)[0], np.exp(-squares / 0.05398), atol=1e-6)
    paper = Grid(ADP.grid.model_copy(update={"kernel_form": "deviation", "points": "end-points"}))
    assert paper.centres[0].item() == pytest.approx(-0.9)
    assert paper.kernel_nm2 == pytest.approx(2 * 0.05398**2)
    assert grid.edge_nm == pytest.approx(0.825)
    assert Grid(CLN.grid).edge_nm == pytest.approx(2.5208, abs=1e-4)


def test_read_outs_have_the_right_derivatives():
    grid = Grid(ADP.grid).double()
    atoms = points(2, 0.6, 2).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: grid.locate_corrected(grid(x), 2.0), atoms, atol=1e-6)
    jacobian = torch.autograd.functional.jacobian(lambda x: grid.locate_corrected(grid(x), 1.0).sum((0, 1)), atoms)
    torch.testing.assert_close(jacobian.sum((1, 2)), jacobian.new_tensor(np.eye(3) * 4), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("name", "sizes", "encoder", "decoder"),
    [
        ("adp-paper", Sizes(22, 6, 12), 535_008, 706_646),
        ("cln-paper", Sizes(175, 10, 12), 1_830_368, 3_063_407),
    ],
)
def test_parameter_counts_are_the_published_ones(name, sizes, encoder, decoder):
    """1.2 M and 4.9 M in the paper's SI."""
    network = VoxelCvae(sizes, PRESETS[name].network)
    counts = [sum(p.numel() for p in part.parameters()) for part in (network.encoder, network.decoder)]
    assert counts == [encoder, decoder]


def test_twin_sees_one_frame_less():
    settings = ADP.network.model_copy(update={"previous": False})
    network, full = VoxelCvae(Sizes(22, 6, 12), settings), VoxelCvae(Sizes(22, 6, 12), ADP.network)
    assert network.encoder.body[0].in_channels == 28
    assert full.encoder.body[0].in_channels == 50
    assert network.decoder.condition[0].in_channels == 6
    shapes = [[p.shape for p in n.parameters()] for n in (network, full)]
    assert sum(a != b for a, b in zip(*shapes, strict=True)) == 2


def test_paper_presets_hold_every_number_of_table_1():
    adp, cln = ADP, CLN
    assert (adp.training.mini_batch, cln.training.mini_batch) == (32, 32)
    assert (adp.training.replicas, cln.training.replicas) == (1, 2)
    assert cln.training.engine().batch == 64
    assert adp.optimiser.learning_rate == pytest.approx(1.398e-4, rel=1e-3)
    assert cln.optimiser.learning_rate == pytest.approx(4.233e-4, rel=1e-3)
    assert (adp.grid.cells, cln.grid.cells) == (12, 12)
    assert (adp.grid.width_nm, cln.grid.width_nm) == (1.8, 5.5)
    assert adp.grid.kernel == 0.05398
    assert cln.grid.kernel == pytest.approx(0.3076, rel=1e-3)
    assert (adp.network.latent, cln.network.latent) == (32, 64)
    assert adp.kl.model_dump() == {"cyclic": True, "steepness": 0.0025, "centre": 1e4, "cycles": 4, "length": 25000}
    assert not cln.kl.cyclic
    assert (adp.energy.cap, cln.energy.cap) == (None, 1e5)
    assert (adp.energy.start, cln.energy.start) == (200_000, 750_000)
    for preset in (adp, cln):
        energy = preset.energy
        assert (energy.initial, energy.final, energy.steps, energy.clip) == (1e-6, 1.0, 1_250_000, 0.1)
        assert preset.inference.components == 10
    assert (adp.network.encoder, cln.network.encoder) == (32, 32)
    assert (adp.network.decoder, cln.network.decoder) == (32, 64)
    assert (adp.training.steps, cln.training.steps) == (14_800_000, 9_400_000)


@pytest.mark.parametrize("name", ["adp-small", "cln-small"])
def test_small_presets_have_the_improvements(name):
    preset = PRESETS[name]
    assert (preset.readout.form, preset.readout.projection, preset.pairs.origin) == ("corrected", True, "beads")
    assert (preset.energy.form, preset.pairs.indexing) == ("logarithm", "all")
    assert preset.pairs.condition_noise_nm > 0


def test_latent_map_is_a_replicated_border():
    """The published code pads 2 x 2 x 2 cells by 5 on every side."""
    decoder = Decoder(Sizes(3, 2, 12), ADP.network)
    seen = []
    decoder.latent.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    latent = torch.randn(2, 32)
    assert decoder(torch.zeros(2, 5, 12, 12, 12), latent).shape == (2, 3, 12, 12, 12)
    padded = nn.functional.pad(latent.reshape(2, 4, 2, 2, 2), [5] * 6, mode="replicate")
    assert torch.equal(seen[0], padded)


@pytest.mark.parametrize("change", [{"residual": "sum"}, {"norm": "layer"}, {"heads": "deviation"}])
def test_paper_switches_of_the_network(change):
    sizes = Sizes(3, 2, 4)
    torch.manual_seed(0)
    published = VoxelCvae(sizes, PRESETS["adp-small"].network)
    torch.manual_seed(0)
    other = VoxelCvae(sizes, PRESETS["adp-small"].network.model_copy(update=change))
    inputs = torch.rand(2, 5, 4, 4, 4), torch.rand(2, 3, 4, 4, 4), torch.randn(2, 16)
    results = [network(*inputs) for network in (published, other)]
    assert results[0][0].shape == results[1][0].shape
    assert all((spread > 0).all() for _, _, spread in results)
    # A group of all channels with weights of one is the layer norm with weights of one: at the start they agree.
    assert torch.allclose(results[0][2], results[1][2], atol=1e-5) == ("norm" in change)


def test_kl_is_that_of_torch():
    mean, deviation = torch.randn(5, 3), torch.rand(5, 3) + 0.1
    normal = torch.distributions.Normal(mean, deviation)
    expected = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0)).sum(1).mean()
    torch.testing.assert_close(losses.kl_divergence(mean, deviation), expected)


def test_distance_error_is_half_the_mean_over_the_matrix():
    first, second = points(3, 0.5, 6).double(), points(4, 0.5, 6).double()
    expected = np.mean([(cdist(a, a) - cdist(b, b)) ** 2 for a, b in zip(first, second, strict=True)]) / 2
    assert losses.distance_error(first, second).item() == pytest.approx(expected, rel=1e-6)
    collapsed = torch.zeros(1, 4, 3, requires_grad=True)
    losses.distance_error(collapsed, points(5, 0.5, 4)[:1]).backward()
    assert torch.isfinite(collapsed.grad).all()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (4.0 + 100.0**2) / 2),
        ({"cap": 50.0}, (4.0 + 50.0) / 2),
        ({"cap": 60.0, "cap_on": "energy"}, (4.0 + 25.0**2) / 2),
        ({"form": "logarithm"}, (math.log(5.0) + math.log(1 + 100.0**2)) / 2),
        ({"form": "huber"}, (1.5 + 99.5) / 2),
    ],
)
def test_energy_error(changes, expected):
    settings = ADP.energy.model_copy(update=changes)
    predicted, true = torch.tensor([14.0, 210.0]), torch.tensor([10.0, 10.0])
    assert losses.energy_error(predicted, true, 2.0, settings).item() == pytest.approx(expected, rel=1e-6)


def test_bounded_energy_leaves_bad_frames_a_gradient():
    true = torch.zeros(2, dtype=torch.float64)
    for changes, moves in (({"cap": 1e5}, False), ({"form": "logarithm"}, True), ({"form": "huber"}, True)):
        predicted = torch.tensor([1e7, torch.inf], dtype=torch.float64, requires_grad=True)
        losses.energy_error(predicted, true, 1.0, ADP.energy.model_copy(update=changes)).backward()
        assert (predicted.grad[0] > 0) == moves
        assert predicted.grad[1] == 0


def test_thermal_energy():
    assert pytest.approx(u.MOLAR_GAS_CONSTANT_R.value_in_unit(u.kilojoule_per_mole / u.kelvin)) == losses.KJ_MOL_K


def test_kl_schedule_is_equation_6():
    for step in (0, 1, 9_999, 10_000, 24_999, 25_000, 60_000, 99_999):
        expected = 1 / (1 + np.exp(-0.0025 * (step % 25_000 - 10_000)))
        assert schedules.kl_weight(step, ADP.kl) == pytest.approx(expected)
    assert schedules.kl_weight(10_000, ADP.kl) == 0.5
    assert schedules.kl_weight(100_000, ADP.kl) == 1
    assert schedules.kl_weight(0, CLN.kl) == 1


def test_energy_schedule_and_clip():
    weights = [schedules.energy_weight(step, ADP.energy) for step in (199_999, 200_000, 825_000, 1_450_000, 10**7)]
    assert weights == pytest.approx([0, 1e-6, 1e-3, 1, 1])
    clips = [schedules.gradient_clip(step, ADP.energy, ADP.optimiser) for step in (0, 199_999, 200_000)]
    assert clips == [None, None, 0.1]


def test_rate():
    cosine = PRESETS["adp-small"].optimiser
    assert schedules.rate(123, 1000, ADP.optimiser) == 1
    assert schedules.rate(0, 1000, cosine) == pytest.approx(0.05)
    assert schedules.rate(999, 1000, cosine) == pytest.approx(0.01, abs=1e-4)
    assert schedules.rate(500, 1000, cosine) == pytest.approx(0.505)


def test_pairs_never_cross_trajectories():
    small = PRESETS["adp-small"]
    now, before = paired((3, 1, 4), small)
    assert now.tolist() == [1, 2, 5, 6, 7]
    assert before.tolist() == [0, 1, 4, 5, 6]
    # As the published code: T - 2 pairs of one trajectory; of several, the first keeps its last and the others lose
    # their first, up to that many in all.
    assert paired((5,), ADP)[0].tolist() == [1, 2, 3]
    assert paired((4, 4, 4), ADP)[0].tolist() == [1, 2, 3, 6, 7, 10]
    twin = small.model_copy(update={"network": small.network.model_copy(update={"previous": False})})
    assert paired((2, 1), twin)[0].tolist() == [0, 1, 2]


def test_random_rotations():
    generator = torch.Generator().manual_seed(0)
    uniform, euler = uniform_rotations(20_000, generator).double(), euler_rotations(20_000, generator).double()
    for turns in (uniform, euler):
        torch.testing.assert_close(turns @ turns.mT, torch.eye(3).double().expand_as(turns), atol=1e-5, rtol=0)
        assert torch.linalg.det(turns).min() > 0.99
    # Uniform: E tr(R)^2 = 1 for an irreducible representation, as scipy's; three uniform Euler angles miss it.
    traces = [np.trace(t, axis1=1, axis2=2) for t in (uniform, Rotation.random(20_000, random_state=0).as_matrix())]
    assert np.mean(traces[0] ** 2) == pytest.approx(1, abs=0.05)
    assert np.mean(traces[1] ** 2) == pytest.approx(1, abs=0.05)
    assert (euler[:, 2, 2] ** 2).mean().item() == pytest.approx(1 / 2, abs=0.02)
    assert (uniform[:, 2, 2] ** 2).mean().item() == pytest.approx(1 / 3, abs=0.02)


def test_elastic_projection(system):
    follow = elastic(system)
    weights = system.mapping.weights.toarray()
    np.testing.assert_allclose(weights @ follow, np.eye(6), atol=1e-12)
    np.testing.assert_allclose(follow.sum(1), 1, atol=0.1)  # a common shift of beads shifts all atoms by nearly as much
    topology = system.topology
    bonds = [(a.index, b.index) for a, b in topology.bonds]
    moved = np.random.default_rng(0).normal(size=(6, 3))
    plain = np.zeros((22, 3))
    plain[system.mapping.slice_atoms] = moved

    def strain(shift):
        return sum(np.sum((shift[a] - shift[b]) ** 2) for a, b in bonds)

    assert strain(follow @ moved) < 0.7 * strain(plain)


def test_mixture_draws_what_it_was_fitted_to():
    rng = np.random.default_rng(0)
    data = np.concatenate([rng.normal(-3, 0.5, (4000, 2)), rng.normal(2, 1, (8000, 2)) @ [[1, 0.8], [0, 0.3]]])
    stream = fit_mixture(data, 2, 0).stream((7, 1))
    drawn = np.stack([next(stream) for _ in range(12_000)])
    np.testing.assert_allclose(drawn.mean(0), data.mean(0), atol=0.1)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(data.T), rtol=0.06)
    again = Mixture(**vars(fit_mixture(data, 2, 0))).stream((7, 1))
    assert all((next(again) == row).all() for row in drawn[:300])


def test_leading_correlation():
    rng = np.random.default_rng(0)
    energies = rng.normal(size=3000)
    latents = rng.normal(size=(3000, 4))
    latents[:, 2] = 3 * (0.8 * energies + 0.6 * rng.normal(size=3000))
    assert leading_correlation(latents, energies) == pytest.approx(0.8, abs=0.03)
