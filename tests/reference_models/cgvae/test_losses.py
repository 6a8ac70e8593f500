"""The divergence against torch's own, and what legacy makes of it."""

import pytest
import torch

from backmapbench.reference_models.cgvae.losses import divergence, graph_loss, reconstruction


def normal(seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(6, 4, generator=generator), torch.rand(6, 4, generator=generator) + 0.2


@pytest.mark.parametrize("behaviour", ["legacy", "fixed"])
def test_no_divergence_from_itself(behaviour):
    assert divergence(normal(0), normal(0), behaviour) == 0


def test_fixed_is_the_divergence_that_torch_computes():
    posterior, prior = normal(0), normal(1)
    expected = torch.distributions.kl_divergence(
        torch.distributions.Normal(*posterior), torch.distributions.Normal(*prior)
    )
    torch.testing.assert_close(divergence(posterior, prior, "fixed"), expected.sum(-1).mean())


def test_legacy_divides_the_means_by_sigma():
    posterior, prior = normal(0), normal(1)
    (mean, _), (other, width) = posterior, prior
    wrong = (mean - other) ** 2 / 2 * (1 / width - 1 / width**2)
    expected = divergence(posterior, prior, "fixed") + wrong.sum(-1).mean()
    torch.testing.assert_close(divergence(posterior, prior, "legacy"), expected)


def test_behaviours_agree_for_unit_priors_and_fixed_is_never_negative():
    (mean, _), posterior = normal(1), normal(0)
    prior = mean, torch.ones_like(mean)
    assert divergence(posterior, prior, "legacy") == divergence(posterior, prior, "fixed")
    assert divergence(posterior, normal(2), "fixed") > 0


def test_reconstruction_and_graph_of_known_shifts():
    atoms = torch.zeros(2, 3, 3)
    atoms[:, 1, 0], atoms[:, 2, 0] = 1.0, 3.0
    moved = atoms.clone()
    moved[:, 2, 0] += 0.6
    torch.testing.assert_close(reconstruction(moved, atoms), torch.tensor(0.36 / 9))
    pairs = torch.tensor([[0, 1], [1, 2]])
    torch.testing.assert_close(graph_loss(moved, atoms, pairs), torch.tensor(0.18), rtol=1e-4, atol=0)
