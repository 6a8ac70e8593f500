"""Networks of ar-internal: densities against independent formulas, samples against densities."""

import numpy as np
import pytest
import torch
from scipy import stats

from backmapbench.errors import CardError
from backmapbench.reference_models.ar_internal.network import Sizes, Transition
from backmapbench.reference_models.ar_internal.sampling import draw
from backmapbench.reference_models.ar_internal.settings import read_settings
from backmapbench.reference_models.ar_internal.training import Steps, train

SMALL = """
[encoding]
smallest_deviation = 5e-4
free_share = 1e-3
maximum_distances = 300
[network]
components = 3
harmonics = 3
mixture = { width = 16, layers = 1, dropout = 0.0 }
mean = { width = 16, layers = 1, dropout = 0.0 }
[training]
steps = 400
batch = 256
learning_rate = 1e-2
weight_decay = 0.0
forget = 0.2
clip = 5.0
"""


@pytest.fixture
def network():
    torch.manual_seed(0)
    made = Transition(Sizes(features=4, numbers=3, angles=2), read_settings(SMALL).network).eval()
    with torch.no_grad():
        made.lower.copy_(torch.randn(2, 3, 3))
        made.log_diagonal.copy_(0.3 * torch.randn(2, 3))
    return made


def covariances(network):
    """Of frames without and with a frame before: (2, numbers, numbers)."""
    with torch.no_grad():
        return torch.linalg.inv(network.factors().mT @ network.factors()).numpy()


def context_of(network, frames, known):
    shapes = [(frames, 4), (frames, 4), (frames, 3), (frames, 2)]
    return network.context(*(torch.randn(shape) for shape in shapes), torch.full((frames, 1), float(known)))


@pytest.mark.parametrize("known", [0, 1])
def test_gaussian_part_is_scipys_multivariate_normal(network, known):
    context, angles, numbers = context_of(network, 5, known), torch.randn(5, 2), torch.randn(5, 3)
    with torch.no_grad():
        covariance = covariances(network)[known]
        mean = network.mean(context, angles).numpy()
        difference = network.log_density(context, numbers, angles) - network.log_density(context, 0 * numbers, angles)
    logpdf = [
        stats.multivariate_normal(m, covariance).logpdf(x)
        - stats.multivariate_normal(m, covariance).logpdf(np.zeros(3))
        for m, x in zip(mean, numbers.numpy(), strict=True)
    ]
    np.testing.assert_allclose(difference.numpy(), logpdf, atol=1e-4)


def test_density_integrates_to_one(network):
    """Over both torsions on a grid and, by its closed form, over the numbers."""
    grid = torch.linspace(-torch.pi, torch.pi, 181)[:-1]
    first, second = torch.meshgrid(grid, grid, indexing="ij")
    angles = torch.stack([first.flatten(), second.flatten()], dim=-1)
    context = context_of(network, 1, known=1).expand(len(angles), -1)
    with torch.no_grad():
        centre = network.mean(context, angles)
        peak = -0.5 * 3 * np.log(2 * np.pi) + network.log_diagonal[1].sum()
        turning = network.log_density(context, centre, angles) - peak
    assert float(turning.exp().sum()) * (2 * np.pi / 180) ** 2 == pytest.approx(1.0, abs=1e-3)


def test_first_frame_forgets_the_past(network):
    now = torch.randn(3, 4)
    pasts = [(torch.randn(3, 4), torch.randn(3, 3), torch.randn(3, 2)) for _ in range(2)]
    hidden = [network.context(now, *past, torch.zeros(3, 1)) for past in pasts]
    shown = [network.context(now, *past, torch.ones(3, 1)) for past in pasts]
    assert torch.equal(*hidden)
    assert not torch.equal(*shown)


def test_samples_follow_the_density(network):
    """Chi-squared of drawn torsions against the mixture, and the covariance of drawn numbers."""
    features = np.repeat(np.random.default_rng(0).normal(size=(1, 1, 4)), 20000, axis=0).astype(np.float32)
    numbers, angles = (
        part.swapaxes(0, 1)
        for part in draw(network, features.swapaxes(0, 1), [np.random.default_rng(1)], in_time=False)
    )
    now = torch.from_numpy(features[:1, 0])
    context = network.context(now, now, torch.zeros(1, 3), torch.zeros(1, 2), torch.zeros(1, 1))
    with torch.no_grad():
        weights, centres, widths = (part[0, 0].double().numpy() for part in network.mixtures(context))
        residual = numbers[:, 0] - network.mean(context.expand(20000, -1), torch.from_numpy(angles[:, 0])).numpy()
    expected = covariances(network)[0]
    edges = np.linspace(-np.pi, np.pi, 25)
    turns = 2 * np.pi * np.arange(-2, 3)
    cumulative = sum(
        np.exp(w) * stats.norm.cdf(edges[:, None] + turns, c, s).sum(axis=1)
        for w, c, s in zip(weights, centres, widths, strict=True)
    )
    counts = np.histogram(angles[:, 0, 0], edges)[0]
    assert stats.chisquare(counts, np.diff(cumulative) / np.diff(cumulative).sum() * counts.sum()).pvalue > 1e-4
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    np.testing.assert_allclose(np.cov(residual.T) / scale, expected / scale, atol=0.04)


def test_training_recovers_a_known_process():
    """numbers_t = 0.8 numbers_{t-1} + correlated noise: coefficient, noise and first frame are learned."""
    rng = np.random.default_rng(0)
    noise = rng.multivariate_normal([0, 0], [[0.36, 0.2], [0.2, 0.36]], size=4000)
    numbers = np.zeros((4000, 2))
    for frame in range(1, 4000):
        numbers[frame] = 0.8 * numbers[frame - 1] + noise[frame]
    arrays = (numbers.astype(np.float32), np.zeros((4000, 0), dtype=np.float32))
    data = Steps.of(rng.normal(size=(4000, 2)).astype(np.float32), arrays, (2000, 2000), in_time=True)
    assert data.known[:, 0].tolist().count(0.0) == 2
    assert not data.known[2000]
    state = torch.random.get_rng_state()
    fitted, again = (train(data, data, read_settings(SMALL), 3) for _ in range(2))
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(fitted.parameters(), again.parameters(), strict=True))
    generators = [np.random.default_rng([1, row]) for row in range(400)]
    drawn, none = draw(fitted, np.zeros((400, 60, 2), dtype=np.float32), generators, in_time=True)
    assert none.shape == (400, 60, 0)
    late = drawn[:, 20:]
    lagged = (late[:, 1:] * late[:, :-1]).mean(axis=(0, 1)) / (late**2).mean(axis=(0, 1))
    np.testing.assert_allclose(lagged, 0.8, atol=0.05)
    np.testing.assert_allclose(np.cov(late.reshape(-1, 2).T), np.cov(numbers.T), rtol=0.2)
    first, later = covariances(fitted)
    np.testing.assert_allclose(later, [[0.36, 0.2], [0.2, 0.36]], atol=0.05)
    np.testing.assert_allclose(first, np.cov(numbers.T), rtol=0.25)


def test_settings_are_validated():
    assert read_settings().training.steps > 0
    with pytest.raises(CardError, match="steps"):
        read_settings(SMALL.replace("steps = 400", "steps = 0"))
    with pytest.raises(CardError, match="extra"):
        read_settings(SMALL + "\nmomentum = 0.9\n")
    with pytest.raises(CardError, match="ar-internal settings"):
        read_settings("not TOML")
