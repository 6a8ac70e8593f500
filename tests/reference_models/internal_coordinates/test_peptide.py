import math

import numpy as np
import pytest
import torch

from backmapbench.reference_models.internal_coordinates.peptide import Bonds, close

SPANS = torch.linspace(0.355, 0.40, 40, dtype=torch.float64)


def bonds_for(spans):
    lengths = [torch.full_like(spans, value) for value in (0.1525, 0.1329, 0.1458)]
    return Bonds(*lengths, torch.full_like(spans, math.radians(116.2 - 121.7)))  # Engh and Huber 1991


def corners(spans, plane):
    zero = torch.zeros_like(spans)
    pairs = [(zero, zero), (plane.c_along, plane.c_out), (plane.n_along, plane.n_out), (spans, zero)]
    return torch.stack([torch.stack(pair, dim=-1) for pair in pairs], dim=1)


def lengths(spans):
    points = corners(spans, close(spans, bonds_for(spans)))
    return (points[:, 1:] - points[:, :-1]).norm(dim=-1).T


def angles(spans):
    points = corners(spans, close(spans, bonds_for(spans)))
    found = []
    for first, middle, last in ((0, 1, 2), (1, 2, 3)):
        one, other = points[:, first] - points[:, middle], points[:, last] - points[:, middle]
        cosine = (one * other).sum(-1) / one.norm(dim=-1) / other.norm(dim=-1)
        found.append(torch.rad2deg(cosine.arccos()))
    return found


def test_bonds_are_kept_between_usual_c_alphas():
    for found, expected in zip(lengths(SPANS), (0.1525, 0.1329, 0.1458), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-9)


def test_the_difference_of_angles_is_kept():
    at_c, at_n = angles(SPANS)
    np.testing.assert_allclose(at_c - at_n, 116.2 - 121.7, atol=1e-6)


def test_the_usual_distance_gives_the_usual_angles():
    # A trans peptide of Engh and Huber's geometry has its C-alphas 3.80 Angstrom apart.
    at_c, at_n = angles(torch.tensor([0.380], dtype=torch.float64))
    assert float(at_c) == pytest.approx(116.2, abs=0.7)
    assert float(at_n) == pytest.approx(121.7, abs=0.7)


def test_a_cis_peptide_has_both_atoms_on_one_side_and_usual_bonds():
    spans = torch.linspace(0.275, 0.31, 20, dtype=torch.float64)
    plane = close(spans, bonds_for(spans))
    assert bool(((plane.c_out > 0) & (plane.n_out > 0)).all())
    for found, expected in zip(lengths(spans), (0.1525, 0.1329, 0.1458), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-9)


def test_beyond_reach_bonds_stretch_together_then_the_middle_one_alone():
    near, far = torch.tensor([0.44], dtype=torch.float64), torch.tensor([0.70], dtype=torch.float64)
    ratios = [float(found) / usual for found, usual in zip(lengths(near), (0.1525, 0.1329, 0.1458), strict=True)]
    assert ratios == pytest.approx([ratios[0]] * 3, abs=1e-6)
    assert 1 < ratios[0] < 1.13
    first, middle, last = (float(found) for found in lengths(far))
    assert first == pytest.approx(1.13 * 0.1525)
    assert last == pytest.approx(1.13 * 0.1458)
    assert middle > 0.3


@pytest.mark.parametrize("span", [0.0, 1e-6, 0.1, 0.2, 0.33, 0.5, 2.0])
def test_any_distance_gives_a_finite_unit(span):
    spans = torch.tensor([span], dtype=torch.float64)
    plane = close(spans, bonds_for(spans))
    assert all(bool(torch.isfinite(value).all()) for value in vars(plane).values())


def test_bonds_lie_below_the_bond_graphs_cutoff_over_the_range_of_noisy_beads():
    spans = torch.linspace(0.20, 0.455, 200, dtype=torch.float64)
    assert float(torch.stack(list(lengths(spans))).max()) < 0.1768  # 1.3 (0.68 + 0.68) Angstrom
    points = corners(spans, close(spans, bonds_for(spans)))
    across = (points[:, 2:] - points[:, :-2]).norm(dim=-1)
    assert float(across.min()) > 0.1768
