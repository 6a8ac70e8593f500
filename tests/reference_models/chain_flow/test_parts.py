import mdtraj
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from backmapbench.reference_models.chain_flow import contacts
from backmapbench.reference_models.chain_flow.axes import frame_of
from backmapbench.reference_models.chain_flow.contacts import Contacts
from backmapbench.reference_models.chain_flow.partitions import draw_partition
from backmapbench.reference_models.chain_flow.settings import load_preset
from backmapbench.reference_models.chain_flow.settling import CONTACT_NM, LONGEST_NM, SHORTEST_NM, Chain


def coil(residues, seed, frames=4, step=0.38):
    """Random walks: they overlap and bend as no peptide does."""
    generator = torch.Generator().manual_seed(seed)
    steps = torch.randn(frames, residues, 3, generator=generator, dtype=torch.float64)
    return (step * steps / 3**0.5).cumsum(1)


def chain_of(linked, beads=3):
    residues = len(linked)
    operator = torch.zeros(beads, residues, dtype=torch.float64)
    operator[torch.arange(residues) * beads // residues, torch.arange(residues)] = 1.0
    operator = operator / operator.sum(-1, keepdim=True)
    return Chain(torch.tensor(linked), operator, torch.linalg.pinv(operator))


@pytest.mark.parametrize("seed", [0, 1])
def test_settled_traces_have_bonds_no_overlaps_and_their_beads(seed):
    chain, ca = chain_of([True] * 29 + [False]), coil(30, seed)
    settled = chain.settle(ca, 100)
    bonds = settled.diff(dim=1).norm(dim=-1)
    assert float(bonds.min()) > SHORTEST_NM - 1e-4
    assert float(bonds.max()) < LONGEST_NM + 1e-4
    rows, columns = torch.triu_indices(30, 30, 3)
    gaps = torch.cdist(settled, settled)[:, rows, columns]
    assert float(gaps.min()) > 0.9 * CONTACT_NM
    assert float((chain.operator @ (settled - ca)).abs().max()) < 0.05


def test_a_good_trace_stays_as_it_is(villin):
    topology, frames = villin
    alphas = [atom.index for atom in topology.atoms if atom.name == "CA"]
    ca = torch.from_numpy(frames.positions[:5, alphas].astype(np.float64))
    moved = chain_of([True] * 34 + [False]).settle(ca, 20) - ca
    assert float(moved.norm(dim=-1).square().mean().sqrt()) < 0.01


def test_no_bond_is_made_across_chains():
    linked = [True] * 9 + [False] + [True] * 9 + [False]
    ca = coil(20, 3)
    ca[:, 10:] += 5.0
    settled = chain_of(linked, 4).settle(ca, 60)
    assert float((settled[:, 10] - settled[:, 9]).norm(dim=-1).min()) > 3.0


def test_no_rounds_are_no_change():
    ca = coil(10, 0)
    assert chain_of([True] * 9 + [False]).settle(ca, 0) is ca


@given(st.integers(3, 80), st.integers(0, 2**31), st.sampled_from([(0.0, 0.0), (1.0, 0.0), (0.5, 1.0)]))
def test_every_residue_has_a_bead_and_no_bead_is_empty(residues, seed, shares):
    equal, scattered = shares
    changes = (f"beads.equal={equal}", f"beads.scattered={scattered}")
    settings = load_preset("proteins", changes).beads
    bead = draw_partition(residues, settings, torch.Generator().manual_seed(seed))
    assert len(bead) == residues
    number = int(bead.max()) + 1
    assert bead.unique().tolist() == list(range(number))
    assert number <= max(settings.fewest, residues // 2)
    if not scattered:
        assert bool((bead.diff() >= 0).all())
    if equal == 1.0:
        lengths = bead.bincount()
        assert int(lengths.max() - lengths.min()) <= 1


def test_some_beads_of_a_scattered_partition_have_several_runs():
    settings = load_preset("proteins", ("beads.scattered=1.0",)).beads
    drawn = [draw_partition(40, settings, torch.Generator().manual_seed(seed)) for seed in range(20)]
    assert sum(bool((bead.diff() < 0).any()) for bead in drawn) > 10


@pytest.mark.parametrize("seed", range(4))
def test_axes_turn_with_the_trace(seed):
    trace = coil(12, seed)
    turn = torch.from_numpy(Rotation.random(random_state=seed).as_matrix())
    axes, others = frame_of(trace), frame_of(trace @ turn.T + 1.0)
    torch.testing.assert_close(others, axes @ turn.T, atol=1e-9, rtol=0)
    torch.testing.assert_close(torch.linalg.det(axes), torch.ones(4, dtype=torch.float64))


def test_real_atoms_break_no_limits_and_moved_ones_do(villin):
    topology, frames = villin
    contacts = Contacts.of(topology)
    atoms = torch.from_numpy(frames.positions[:8].astype(np.float64))
    assert float(contacts.broken(atoms).max()) < 0.01
    index = {(atom.residue.index, atom.name): atom.index for atom in topology.atoms}
    near, far = atoms.clone(), atoms.clone()
    near[:, index[3, "CB"]] = near[:, index[20, "CB"]] + torch.tensor([0.1, 0.0, 0.0])
    far[:, index[3, "O"]] += 1.0
    for broken in (near, far):
        assert float(contacts.broken(broken).min()) > 0.05


def test_limits_are_those_of_covalent_radii():
    topology = mdtraj.Topology()
    residue = topology.add_residue("CYS", topology.add_chain())
    atoms = [topology.add_atom(name, mdtraj.element.get_by_symbol(name[0]), residue) for name in ("CB", "SG", "O")]
    topology.add_bond(atoms[0], atoms[1])
    contacts = Contacts.of(topology)
    assert float(contacts.furthest[0]) == pytest.approx(1.2 * 0.170)
    assert float(contacts.nearest[0, 2]) == pytest.approx(1.38 * 0.136)
    assert float(contacts.nearest[0, 1]) == 0.0


def test_atoms_in_one_place_are_parted_by_little(villin):
    topology, frames = villin
    contacts = Contacts.of(topology)
    atoms = torch.from_numpy(frames.positions[:2].astype(np.float64))
    collapsed = atoms.clone()
    for residue in topology.residues:
        rows = [atom.index for atom in residue.atoms]
        collapsed[:, rows] = atoms[:, rows].mean(1, keepdim=True)
    parted = contacts.spread(collapsed, 100)
    assert float(contacts.broken(parted).max()) < 0.02 * float(contacts.broken(collapsed).min())
    assert float((parted - collapsed).square().sum(-1).mean().sqrt()) < 0.2
    assert torch.equal(parted, contacts.spread(collapsed, 100))


def test_pairs_out_of_sight_change_nothing(villin, monkeypatch):
    topology, frames = villin
    made = Contacts.of(topology)
    atoms = torch.from_numpy(frames.positions[:3].astype(np.float64))
    blurred = 0.3 * atoms + 0.7 * atoms.mean(1, keepdim=True)
    nearby = made.spread(blurred, 60)
    assert float((nearby - blurred).norm(dim=-1).max()) > contacts.WATCHED_NM  # pairs came into sight on the way
    monkeypatch.setattr(contacts, "WATCHED_NM", 100.0)
    torch.testing.assert_close(nearby, made.spread(blurred, 60), rtol=0, atol=1e-9)
