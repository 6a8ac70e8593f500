"""Laws that need no oracle: derivatives, symmetries, batches, blocks, types."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from backmapbench.errors import DataError
from backmapbench.force_field import TorchForceField, pairs, solvent, torch_force_field

NAMES = ["dipeptide gbn2", "dipeptide obc2", "chignolin charmm36"]


@pytest.fixture(scope="module", params=NAMES)
def field_and_frames(request, make_case) -> tuple[TorchForceField, torch.Tensor]:
    case = make_case(request.param)
    return TorchForceField.from_system(case.system), case.tensor()


@pytest.fixture(scope="module")
def dipeptide(make_case) -> tuple[TorchForceField, torch.Tensor]:
    case = make_case("dipeptide gbn2")
    return TorchForceField.from_system(case.system), case.tensor()


def test_gradients_are_those_of_finite_differences(field_and_frames) -> None:
    field, frames = field_and_frames
    rng = np.random.default_rng(4)
    direction = torch.from_numpy(rng.normal(size=frames.shape[1:]))
    step = 1e-6
    slope = (field(frames + step * direction) - field(frames - step * direction)) / (2 * step)
    expected = -(field.forces(frames) * direction).sum((1, 2))
    # Truncation grows with the third derivative, which the most distorted frames have enough of.
    np.testing.assert_allclose(slope[:4], expected[:4], rtol=1e-5)


def test_forces_can_be_differentiated(dipeptide) -> None:
    field, frames = dipeptide
    x = frames[1:3, :].clone()
    rng = np.random.default_rng(5)
    along, onto = torch.from_numpy(rng.normal(size=(2, *x.shape)))

    def slope(x):
        x = x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(field(x).sum(), x, create_graph=True)
        return x, (gradient * onto).sum()

    x0, projected = slope(x)
    (second,) = torch.autograd.grad(projected, x0)
    step = 1e-5
    expected = (slope(x + step * along)[1] - slope(x - step * along)[1]) / (2 * step)
    assert float((second * along).sum().detach()) == pytest.approx(float(expected.detach()), rel=1e-5)


@settings(max_examples=10, deadline=None)
@given(angles=st.tuples(*[st.floats(-3, 3)] * 3), shift=st.tuples(*[st.floats(-5, 5)] * 3))
def test_rigid_motion_changes_no_energy_and_turns_forces(dipeptide, angles, shift) -> None:
    field, frames = dipeptide
    turn = torch.from_numpy(Rotation.from_euler("xyz", angles).as_matrix())
    moved = frames @ turn.T + torch.tensor(shift, dtype=torch.float64)
    torch.testing.assert_close(field(moved), field(frames), rtol=1e-9, atol=1e-7)
    expected = field.forces(frames) @ turn.T
    torch.testing.assert_close(field.forces(moved), expected, rtol=1e-6, atol=1e-8 * float(expected.abs().max()))


def test_no_net_force_and_no_net_torque(field_and_frames) -> None:
    field, frames = field_and_frames
    forces = field.forces(frames)
    scale = float(forces.abs().max())
    assert float(forces.sum(1).abs().max()) < 1e-9 * scale
    assert float(torch.linalg.cross(frames, forces).sum(1).abs().max()) < 1e-9 * scale


def test_only_maps_and_offset_impropers_know_left_from_right(make_case) -> None:
    for name, handed in (("dipeptide gbn2", False), ("chignolin charmm36", True)):
        case = make_case(name)
        field = TorchForceField.from_system(case.system)
        mirrored = case.tensor() * torch.tensor([1.0, 1.0, -1.0])
        before, after = field.terms(case.tensor()), field.terms(mirrored)
        changed = {term for term in before if not torch.allclose(before[term], after[term], rtol=1e-9, atol=1e-7)}
        assert changed == ({"cmap"} if handed else set())


def test_any_batch_shape_and_none(field_and_frames) -> None:
    field, frames = field_and_frames
    alone = torch.stack([field(frame) for frame in frames])
    assert field(frames[0]).shape == ()
    torch.testing.assert_close(field(frames), alone, rtol=1e-12, atol=1e-8)
    block = torch.stack((frames, frames.flip(0)))
    assert field(block).shape == (2, 5)
    torch.testing.assert_close(field(block)[1].flip(0), alone, rtol=1e-12, atol=1e-8)
    assert field.forces(block).shape == block.shape
    assert field(frames[:0]).shape == (0,)
    assert field.forces(frames[:0]).shape == (0, *frames.shape[1:])
    assert list(field.terms(frames[:0])) == list(field.names)


@pytest.mark.parametrize("elements", [1, 500, 20_000])
def test_blocks_change_nothing(elements, field_and_frames, monkeypatch) -> None:
    field, frames = field_and_frames
    energy, forces = field(frames), field.forces(frames)
    monkeypatch.setattr(pairs, "CPU_ELEMENTS", elements)
    monkeypatch.setattr(solvent, "CPU_ELEMENTS", max(elements, 500))
    monkeypatch.setattr(torch_force_field, "CPU_INTERACTIONS", elements)
    torch.testing.assert_close(field(frames), energy, rtol=1e-12, atol=1e-8)
    torch.testing.assert_close(field.forces(frames), forces, rtol=1e-9, atol=1e-10 * float(forces.abs().max()))


def test_tiles_cover_every_pair_and_frame_once(monkeypatch) -> None:
    monkeypatch.setattr(pairs, "CPU_ELEMENTS", 300)
    for atoms in (1, 2, 7, 50, 163):
        seen = torch.zeros(atoms, atoms, 9)
        for rows, frames in pairs._tiles(torch.zeros(3, atoms, 9)):
            seen[rows, rows.start :, frames] += 1
        upper = torch.ones(atoms, atoms).triu(1).bool()
        assert (seen[upper] == 1).all()


def test_gradient_memory_does_not_grow_with_pairs(make_case) -> None:
    """Between the passes nothing per pair is kept: what is saved stays below one N x N array per frame."""
    case = make_case("villin obc2")
    field = TorchForceField.from_system(case.system)
    x = case.tensor()[:3].clone().requires_grad_()
    saved = []

    def count(tensor):
        saved.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        field(x)
    # The largest are gathers of torsions; pairs and Born integrals would each be 3 frames x 582 x 582.
    assert max(numel for numel in saved if numel != 3 * 582 * 582) < 582 * 582 / 2


def test_type_and_state_follow_the_module(field_and_frames) -> None:
    field, frames = field_and_frames
    assert field(frames.float()).dtype == torch.float64
    single = copy.deepcopy(field).to(torch.float32)
    assert single(frames).dtype == torch.float32
    assert single.forces(frames).dtype == torch.float32
    assert field.state_dict() == {}
    assert list(field.parameters()) == []
    again = pickle.loads(pickle.dumps(field))  # noqa: S301
    assert torch.equal(again(frames), field(frames))


def test_another_shape_is_refused(dipeptide) -> None:
    field, frames = dipeptide
    for wrong in (frames[:, :21], frames[..., :2], frames[0, 0]):
        with pytest.raises(DataError, match="22, 3"):
            field(wrong)


@pytest.mark.gpu
def test_the_same_on_a_gpu(field_and_frames) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    field, frames = field_and_frames
    expected, forces = field(frames), field.forces(frames)
    there = copy.deepcopy(field).to("cuda")
    torch.testing.assert_close(there(frames.cuda()).cpu(), expected, rtol=1e-9, atol=1e-6)
    atol = 1e-7 * float(forces.abs().max())
    torch.testing.assert_close(there.forces(frames.cuda()).cpu(), forces, rtol=1e-7, atol=atol)
