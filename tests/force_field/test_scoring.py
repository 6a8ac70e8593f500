"""Energies for scoring: shares of threads, rounding, and pairs by matrix products."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from backmapbench.errors import DataError
from backmapbench.force_field import TorchForceField, energies_by_term, pairs, scoring


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", ["dipeptide", "chignolin"])
def test_shares_of_threads_are_the_whole(name, threads, make_case, monkeypatch) -> None:
    case = make_case(name)
    field = TorchForceField.from_system(case.system)
    expected = np.stack(list(field.terms(case.tensor()).values()), axis=-1)
    for smallest in (1, 2, 64):
        monkeypatch.setattr(scoring, "SMALLEST_SHARE", smallest)
        found = energies_by_term(field, case.xyz.astype(np.float32))
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-7)
        assert torch.get_num_threads() == threads
    assert energies_by_term(field, case.xyz[:0]).shape == (0, len(field.names))


@pytest.mark.parametrize("frames", [5, 200])  # one share, taken by this thread, and several
def test_an_error_in_a_share_leaves_threads_as_they_were(frames, threads, make_case) -> None:
    field = TorchForceField.from_system(make_case("dipeptide").system)
    with pytest.raises(DataError, match="22, 3"):
        energies_by_term(field, np.zeros((frames, 21, 3)))
    assert torch.get_num_threads() == threads
    with ThreadPoolExecutor(1) as pool:  # threads to come
        assert pool.submit(torch.get_num_threads).result() == threads


def test_energies_are_rounded_and_infinities_kept(make_case) -> None:
    case = make_case("dipeptide")
    xyz = case.xyz.copy()
    xyz[1] = np.nan
    found = energies_by_term(TorchForceField.from_system(case.system), xyz)
    assert np.isposinf(found[1]).all()
    np.testing.assert_array_equal(found, np.round(found, scoring.DECIMALS))
    np.testing.assert_array_equal(scoring.total(found), np.round(found.sum(axis=1), scoring.DECIMALS))


def test_products_and_differences_agree_up_to_the_clamp(make_case, monkeypatch) -> None:
    """The bound of ``PRODUCT_RADIUS``: two atoms at the clamp's distance on the rim of a frame."""
    (module,) = [
        module
        for module in TorchForceField.from_system(make_case("villin").system).modules()
        if isinstance(module, pairs.AllPairs)
    ]
    x = torch.from_numpy(make_case("villin").xyz).permute(2, 1, 0)
    x = x - x.mean(1, keepdim=True)
    x = 0.98 * pairs.PRODUCT_RADIUS * x / (x * x).sum(0).amax(0).sqrt()
    rim = int((x[..., 0] ** 2).sum(0).argmax())
    far = (rim + 300) % x.shape[1]  # no exception of the first
    x[:, far] = x[:, rim] * (1 - 1.01 * pairs.MINIMUM_DISTANCE / pairs.PRODUCT_RADIUS)
    products, calls = pairs._by_products, []
    monkeypatch.setattr(pairs, "_by_products", lambda *arguments: calls.append(1) or products(*arguments))
    found = torch.stack(module(x))
    assert calls
    expected = pairs._by_differences(x, module.strengths)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=0)
    assert (expected[0] > 1e12).all()


def test_frames_beyond_the_radius_take_differences(make_case, oracle) -> None:
    """A frame of a protein next to one torn apart and one far off the origin, each by the way that is exact for it."""
    case = make_case("villin")
    xyz = np.stack([case.xyz[1], 20 * case.xyz[1], case.xyz[1] + 500.0])
    field = TorchForceField.from_system(case.system)
    x = torch.from_numpy(xyz)
    scale = sum(term.abs() for term in field.terms(x).values()).numpy()
    assert (np.abs(field(x).numpy() - oracle(case.system, xyz)[0]) <= 1e-6 + 1e-9 * scale).all()
