"""Which energies count at the ceiling: those that are not numbers, infinite, or absurdly high."""

from __future__ import annotations

import numpy as np

from backmapbench.metrics.energy import CEILING_KT, capped


def test_what_is_no_finite_energy_counts_at_the_ceiling_and_is_counted() -> None:
    median = -50.0
    ceiling = median + CEILING_KT
    energies = np.array([np.nan, np.inf, -np.inf, median, ceiling - 1.0, ceiling, ceiling + 1.0])
    found, clipped = capped(energies, median)
    assert clipped.tolist() == [True, True, False, False, False, True, True]
    assert found.tolist() == [ceiling, ceiling, -np.inf, median, ceiling - 1.0, ceiling, ceiling]
