import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from backmapbench.reference_models.internal_coordinates.circle import Circle

CIRCLE = Circle(72, 4.0)
LOGITS = torch.from_numpy(np.random.default_rng(0).normal(scale=3, size=72))


@given(st.floats(-math.pi, math.pi), st.integers(-3, 3))
def test_the_density_is_periodic(value, turns):
    angles = torch.tensor([value, value + 2 * math.pi * turns], dtype=torch.float64)
    one, other = CIRCLE.log_density(LOGITS.expand(2, -1), angles)
    assert float(one) == pytest.approx(float(other), abs=1e-9)


def test_the_density_is_that_of_scipys_von_mises_mixture():
    angles = np.linspace(-math.pi, math.pi, 37)
    weights = LOGITS.softmax(-1).numpy()
    kernels = stats.vonmises(CIRCLE.concentration, loc=CIRCLE.centres.numpy()).pdf(angles[:, None])
    found = CIRCLE.log_density(LOGITS.expand(37, -1), torch.from_numpy(angles)).exp()
    np.testing.assert_allclose(found, kernels @ weights, rtol=1e-9)


def test_the_density_integrates_to_one():
    angles = torch.linspace(-math.pi, math.pi, 4001, dtype=torch.float64)[:-1]
    density = CIRCLE.log_density(LOGITS.expand(4000, -1), angles).exp()
    assert float(density.mean() * 2 * math.pi) == pytest.approx(1.0, abs=1e-9)


def test_draws_follow_the_density():
    drawn = CIRCLE.draw(LOGITS.expand(20000, -1), 1.0, torch.Generator().manual_seed(0)).numpy()
    edges = np.linspace(-math.pi, math.pi, 19)
    grid = torch.linspace(-math.pi, math.pi, 18001, dtype=torch.float64)[:-1] + math.pi / 18000
    density = CIRCLE.log_density(LOGITS.expand(18000, -1), grid).exp().numpy().reshape(18, -1).sum(1)
    counts = np.histogram((drawn + math.pi) % (2 * math.pi) - math.pi, edges)[0]
    assert stats.chisquare(counts, density / density.sum() * counts.sum()).pvalue > 1e-3


def test_temperature_zero_is_the_heaviest_kernel_and_a_low_one_is_near():
    generator = torch.Generator().manual_seed(0)
    top = CIRCLE.centres[LOGITS.argmax()]
    assert CIRCLE.draw(LOGITS, 0.0, generator) == top
    cold = CIRCLE.draw(LOGITS.expand(100, -1), 0.01, generator)
    assert float((cold - top).abs().max()) < math.radians(4)
