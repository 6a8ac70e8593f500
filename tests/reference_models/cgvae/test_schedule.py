"""Learning rates: the plateau against torch's, the smoothing against numpy's weighted fit."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backmapbench.reference_models.cgvae.schedule import Cosine, Plateau, smoothed_last


@given(st.lists(st.floats(0.5, 2.0), min_size=1, max_size=14))
@settings(max_examples=60, deadline=None)
def test_plateau_is_that_of_torch_while_nothing_is_smoothed(losses):
    rate, factor = 1e-4, 0.3
    optimiser = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    reference = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, factor=factor, patience=2, threshold=1e-3, min_lr=5e-8
    )
    schedule = Plateau(rate, factor)
    for step, loss in enumerate(losses):
        schedule.validated(step, loss)
        reference.step(loss)
        assert schedule.factor(step) * rate == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-12)


def test_few_losses_are_not_smoothed_and_lines_are_kept():
    assert smoothed_last([3.0, 1.0, 2.0]) == 2.0
    assert smoothed_last(list(np.linspace(5.0, 1.0, 40))) == pytest.approx(1.0)


def test_smoothing_damps_an_outlier():
    losses = [1.0] * 39 + [2.0]
    assert 1.0 < smoothed_last(losses) < 2.0


def test_rate_stops_at_the_lowest():
    schedule = Plateau(1e-6, 0.1)
    for step in range(60):
        schedule.validated(step, 1.0)
    assert schedule.factor(60) * 1e-6 == pytest.approx(5e-8)


def test_cosine_falls_from_one_to_zero():
    factors = [Cosine(10).factor(step) for step in range(11)]
    assert factors[0] == 1.0
    assert factors[-1] == pytest.approx(0.0)
    assert all(np.diff(factors) < 0)
