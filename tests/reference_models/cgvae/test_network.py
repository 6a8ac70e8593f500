"""Laws of the network, and the whole of it against a version of full matrices."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from backmapbench.errors import SubmissionError
from backmapbench.reference_models.cgvae import edges
from backmapbench.reference_models.cgvae.network import CgvaeNetwork
from backmapbench.reference_models.cgvae.structure import Structure

SUITE = Path(__file__).parents[3] / "benchmark" / "asv" / "suites" / "cgvae.py"
FRAMES = 3


@pytest.fixture(params=["edge by edge", "by products"])
def way(request, monkeypatch):
    """Both ways of taking sums over edges."""
    if request.param == "by products":
        monkeypatch.setattr(edges, "FEW", 0)


@pytest.fixture(scope="module")
def dense():
    """The dense version that the benchmark holds the sparse one against."""
    spec = importlib.util.spec_from_file_location("cgvae_suite", SUITE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["cgvae_suite"] = module
    spec.loader.exec_module(module)
    return module.DenseNetwork


def network_of(system, preset, behaviour, scale=1.5, **changes):
    changed = preset.model_copy(update={"model": preset.model.model_copy(update=changes)})
    torch.manual_seed(0)
    network = CgvaeNetwork(changed, behaviour, Structure.of(system))
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(scale)  # freshly made networks move atoms too little to tell laws from noise
    return network


@pytest.fixture(scope="module")
def atoms(training):
    return torch.from_numpy(training.train.positions[:FRAMES] * 10)


@pytest.fixture(scope="module")
def noise(preset):
    return torch.randn(FRAMES, 5, preset.model.width, generator=torch.Generator().manual_seed(1))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("behaviour", ["legacy", "fixed"])
@pytest.mark.parametrize("beads", [3, 5])
def test_it_is_the_dense_network(build, preset, dense, behaviour, beads, monkeypatch):
    monkeypatch.setattr(CgvaeNetwork, "_longest", None)  # the dense version cuts nothing off
    system = build.system(build.topology(15), beads)
    depth = {"encoder_depth": 2, "prior_depth": 2, "decoder_depth": 3, "bead_cutoff_angstrom": 24.0}
    depth["atom_cutoff_angstrom"] = 18.0
    network = network_of(system, preset, behaviour, **depth).double()
    atoms = torch.from_numpy(build.frames(system, 2).positions * 10).double()
    noise = torch.randn(2, beads, preset.model.width, dtype=torch.float64)
    loss, found = dense(network).losses(atoms, noise)
    torch.testing.assert_close(network(atoms, noise)["loss"], loss)
    torch.testing.assert_close(network.reconstruct(atoms, noise), found.detach())
    assert (found - network.coarse(atoms)[:, network.bead]).abs().max() > 0.1


@pytest.mark.usefixtures("way")
def test_its_gradients_are_those_of_the_dense_network(build, preset, dense):
    system = build.system(build.topology(15), 5)
    network = network_of(system, preset, "fixed", encoder_depth=2, prior_depth=2, decoder_depth=2).double()
    atoms = torch.from_numpy(build.frames(system, 2).positions * 10).double()
    noise = torch.randn(2, 5, preset.model.width, dtype=torch.float64)
    mine = torch.autograd.grad(network(atoms, noise)["loss"], network.parameters(), allow_unused=True)
    theirs = torch.autograd.grad(dense(network).losses(atoms, noise)[0], network.parameters(), allow_unused=True)
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_output_turns_and_moves_with_the_beads(seed, system, preset, atoms, noise):
    network = network_of(system, preset, "fixed", decoder_depth=2).double()
    atoms, noise = atoms.double(), noise.double()
    rng = np.random.default_rng(seed)
    turn = torch.from_numpy(Rotation.random(random_state=rng).as_matrix())
    shift = torch.from_numpy(rng.normal(scale=3.0, size=3))
    beads = network.coarse(atoms)
    still = network.sample(beads, noise)
    scale = (still - beads[:, network.bead]).abs().max()
    assert 0.01 < scale < 100
    moved = network.sample(beads @ turn + shift, noise)
    assert (moved - (still @ turn + shift)).abs().max() < 1e-5
    # Latents of the posterior are invariants too.
    both = network.reconstruct(atoms, noise) @ turn, network.reconstruct(atoms @ turn, noise)
    assert (both[0] - both[1]).abs().max() < 1e-5


def test_mirrored_beads_give_the_mirror_image_unless_they_are_three(system, preset, build, atoms, noise):
    mirror = torch.tensor([1.0, 1.0, -1.0])
    network = network_of(system, preset, "fixed", decoder_depth=3)
    beads = network.coarse(atoms)
    there, back = network.sample(beads * mirror, noise), network.sample(beads, noise) * mirror
    torch.testing.assert_close(there, back, rtol=1e-4, atol=1e-4)
    three = build.system(build.topology(15), 3)
    network = network_of(three, preset, "fixed", scale=2.5, decoder_depth=3)
    beads = network.coarse(atoms)
    there, back = network.sample(beads * mirror, noise[:, :3]), network.sample(beads, noise[:, :3]) * mirror
    assert (there - back).abs().max() > 1e-2


def test_three_beads_let_atoms_leave_their_plane(build, preset, atoms, noise):
    three = build.system(build.topology(15), 3)
    network = network_of(three, preset, "fixed", scale=2.5, decoder_depth=3)
    beads = network.coarse(atoms)
    normal = torch.linalg.cross(beads[:, 1] - beads[:, 0], beads[:, 2] - beads[:, 0])
    height = ((network.sample(beads, noise[:, :3]) - beads[:, :1]) * normal[:, None]).sum(-1) / normal.norm(dim=-1)[
        :, None
    ]
    assert height.abs().max() > 1e-2


@pytest.mark.parametrize("behaviour", ["legacy", "fixed"])
def test_beads_are_reproduced(system, preset, behaviour, atoms, noise):
    network = network_of(system, preset, behaviour)
    beads = network.coarse(atoms)
    expected = system.mapping.positions(atoms.double().numpy())
    np.testing.assert_allclose(beads, expected, atol=1e-5)
    found = network.sample(beads, noise).double().numpy()
    np.testing.assert_allclose(system.mapping.positions(found), beads, atol=1e-5)


def test_legacy_leaves_atoms_on_beads_without_neighbours_within_the_atom_cutoff(system, preset, atoms, noise):
    beads = network_of(system, preset, "legacy").coarse(atoms)
    distance = torch.cdist(beads, beads) + 1e6 * torch.eye(5)
    nearest = distance.min(dim=-1).values
    ordered = nearest.flatten().sort().values
    gap = int(ordered.diff().argmax())
    cutoff = float(ordered[gap : gap + 2].mean())
    network = network_of(system, preset, "legacy", decoder_depth=3, atom_cutoff_angstrom=cutoff).double()
    beads, noise = beads.double(), noise.double()
    alone = nearest >= cutoff
    assert alone.any()
    assert not alone.all()
    on_bead = (network.sample(beads, noise) == beads[:, network.bead]).all(dim=-1)
    assert (on_bead == alone[:, network.bead]).all()
    fixed = network_of(system, preset, "fixed", decoder_depth=3).double()
    assert not (fixed.sample(beads, noise) == beads[:, network.bead]).all(dim=-1).any()


def test_noise_of_zero_is_the_mean_and_frames_do_not_see_each_other(system, preset, atoms, noise):
    network = network_of(system, preset, "fixed")
    beads = network.coarse(atoms)
    torch.testing.assert_close(network.sample(beads, noise)[1:2], network.sample(beads[1:2], noise[1:2]))
    assert (network.sample(beads, 0 * noise) != network.sample(beads, noise)).any()


def test_a_bead_needs_as_many_channels_as_atoms(system, preset):
    with pytest.raises(SubmissionError, match="width is 8"):
        network_of(system, preset, "fixed", width=8)


def test_numbers_beyond_all_bounds_stay_within_the_cutoff(system, preset, atoms, noise):
    """Weights blown up a hundredfold overflow; atoms stay near their beads, and beads are reproduced."""
    network = network_of(system, preset, "fixed", scale=100.0, decoder_depth=4)
    beads = network.coarse(atoms)
    assert not torch.isfinite(network(atoms, noise)["loss"])
    for found in (network.sample(beads, noise), network.reconstruct(atoms, noise)):
        assert torch.isfinite(found).all()
        assert (found - beads[:, network.bead]).norm(dim=-1).max() < 2.001 * preset.model.bead_cutoff_angstrom
        torch.testing.assert_close(network.coarse(found), beads, rtol=0, atol=1e-3)
