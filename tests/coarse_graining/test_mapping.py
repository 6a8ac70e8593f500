"""Laws of coarse-graining operators."""

import mdtraj
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.spatial.transform import Rotation

from backmapbench.coarse_graining import CoarseMapping, atom_index, atom_slice, centre_of_geometry, centre_of_mass
from backmapbench.errors import CardError

ADP_BEADS = ["ACE1:C", "ALA2:N", "ALA2:CA", "ALA2:CB", "ALA2:C", "NME3:N"]


@st.composite
def mappings(draw, atoms=7):
    """Random mappings of ``atoms`` atoms with positive weights."""
    beads = draw(st.integers(1, 4))
    seed = draw(st.integers(0, 2**32 - 1))
    weights = np.random.default_rng(seed).uniform(0.1, 1.0, size=(beads, atoms))
    weights /= weights.sum(axis=1, keepdims=True)
    return CoarseMapping(sparse.csr_array(weights), tuple(f"b{i}" for i in range(beads)))


seeds = st.integers(0, 2**32 - 1)


@given(mappings(), seeds)
def test_beads_move_with_the_atoms(mapping, seed):
    rng = np.random.default_rng(seed)
    atoms, shift = rng.normal(size=(3, 7, 3)), rng.normal(size=3)
    turn = Rotation.random(random_state=seed).as_matrix()
    moved = mapping.positions(atoms @ turn.T + shift)
    np.testing.assert_allclose(moved, mapping.positions(atoms) @ turn.T + shift, atol=1e-12)


@given(mappings(), seeds)
def test_beads_scale_with_the_unit(mapping, seed):
    nanometres = np.random.default_rng(seed).normal(size=(2, 7, 3))
    np.testing.assert_allclose(mapping.positions(nanometres * 10), mapping.positions(nanometres) * 10, atol=1e-12)


@given(mappings(), seeds)
def test_composition_is_one_mapping_after_the_other(finer, seed):
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.1, 1.0, size=(2, finer.beads))
    coarser = CoarseMapping(sparse.csr_array(weights / weights.sum(axis=1, keepdims=True)), ("p", "q"))
    atoms = rng.normal(size=(4, 7, 3))
    expected = coarser.positions(finer.positions(atoms))
    np.testing.assert_allclose(coarser.after(finer).positions(atoms), expected, atol=1e-12)


@given(st.permutations(range(5)))
def test_a_slice_of_all_its_beads_changes_nothing(order):
    chosen = CoarseMapping.from_groups([[i] for i in order[:3]], 5, ["a", "b", "c"])
    again = CoarseMapping.from_groups([[0], [1], [2]], 3, ["a", "b", "c"])
    np.testing.assert_array_equal(again.after(chosen).weights.toarray(), chosen.weights.toarray())
    assert chosen.is_slice
    assert list(chosen.slice_atoms) == order[:3]


@given(mappings(), seeds)
def test_serialised_mapping_is_the_same_mapping(mapping, seed):
    atoms = np.random.default_rng(seed).normal(size=(1, 7, 3))
    again = CoarseMapping.from_json(mapping.to_json())
    assert again.bead_names == mapping.bead_names
    np.testing.assert_array_equal(again.positions(atoms), mapping.positions(atoms))


@settings(max_examples=50)
@given(seeds)
def test_bead_forces_are_the_adjoint(seed):
    """Beads displaced by d move atoms by W^T (W W^T)^-1 d at least; work done by the forces is the same either way."""
    rng = np.random.default_rng(seed)
    mapping = CoarseMapping.from_groups([[0, 1, 2], [3, 4], [5]], 7, ["a", "b", "c"], rng.uniform(1, 16, size=7))
    forces, moves = rng.normal(size=(7, 3)), rng.normal(size=(3, 3))
    weights = mapping.weights.toarray()
    atom_moves = weights.T @ np.linalg.solve(weights @ weights.T, moves)
    np.testing.assert_allclose(mapping.positions(atom_moves), moves, atol=1e-12)
    np.testing.assert_allclose((mapping.forces(forces) * moves).sum(), (forces * atom_moves).sum(), atol=1e-10)


def test_forces_of_a_slice_and_of_a_centre():
    forces = np.arange(12, dtype=float).reshape(4, 3)
    sliced = CoarseMapping.from_groups([[2], [0]], 4, ["a", "b"])
    np.testing.assert_allclose(sliced.forces(forces), forces[[2, 0]])
    centre = CoarseMapping.from_groups([[0, 1, 3]], 4, ["a"])
    np.testing.assert_allclose(centre.forces(forces)[0], forces[[0, 1, 3]].sum(axis=0))


def test_dependent_beads_have_no_forces():
    twice = CoarseMapping.from_groups([[0, 1], [0, 1]], 3, ["a", "b"])
    with pytest.raises(CardError, match="linearly dependent"):
        twice.forces(np.zeros((3, 3)))


@pytest.mark.parametrize(
    ("weights", "message"),
    [([[0.5, 0.4]], "sum to 0.9"), ([[0.0, 0.0]], "sum to 0"), ([[np.nan, 1.0]], "not finite")],
)
def test_weights_that_are_no_mean_are_refused(weights, message):
    with pytest.raises(CardError, match=message):
        CoarseMapping(sparse.csr_array(np.array(weights)), ("bead",))


def test_wrong_sizes_are_refused():
    mapping = CoarseMapping.from_groups([[0]], 2, ["a"])
    with pytest.raises(CardError, match="expects"):
        mapping.positions(np.zeros((5, 3, 3)))
    with pytest.raises(CardError, match="cannot compose"):
        mapping.after(CoarseMapping.from_groups([[0]], 2, ["a"]))
    with pytest.raises(CardError, match="no atoms"):
        CoarseMapping.from_groups([[]], 2, ["a"])


def test_six_beads_of_alanine_dipeptide(task):
    """Shmilovich 2022 sec. 2.5.1: ACE-C, N, CA, CB, C, NME-N, atoms 4, 6, 8, 10, 14, 16 in the common order."""
    mapping = atom_slice(task.dataset.topology, ADP_BEADS)
    assert list(mapping.slice_atoms) == [4, 6, 8, 10, 14, 16]


def test_names_count_not_order(task):
    topology = task.dataset.topology
    reversed_atoms = list(range(topology.n_atoms))[::-1]
    positions = np.random.default_rng(0).normal(size=(2, topology.n_atoms, 3)).astype(np.float32)
    turned = _reordered(topology, reversed_atoms)
    expected = atom_slice(topology, ADP_BEADS).positions(positions)
    np.testing.assert_array_equal(atom_slice(turned, ADP_BEADS).positions(positions[:, reversed_atoms]), expected)


def test_centres_equal_mdtraj(task):
    topology = task.dataset.topology
    frames = mdtraj.Trajectory(task.atoms("test").positions[:20].astype(float), topology)
    labels = [f"{a.residue.name}{a.residue.resSeq}:{a.name}" for a in topology.atoms]
    mass = centre_of_mass(topology, [labels], ["all"]).positions(frames.xyz)
    np.testing.assert_allclose(mass[:, 0], mdtraj.compute_center_of_mass(frames), atol=1e-6)
    geometry = centre_of_geometry(topology, [labels], ["all"]).positions(frames.xyz)
    np.testing.assert_allclose(geometry[:, 0], mdtraj.compute_center_of_geometry(frames), atol=1e-6)


def test_unknown_atom_names_a_close_one(task):
    with pytest.raises(CardError, match="did you mean ALA2:CB"):
        atom_index(task.dataset.topology, "ALA2:CBB")


def _reordered(topology, order):
    """The same atoms in another order, residue by residue in one chain (names are what is looked up)."""
    atoms = list(topology.atoms)
    out = mdtraj.Topology()
    chain = out.add_chain()
    for index in order:
        atom = atoms[index]
        residue = out.add_residue(atom.residue.name, chain, resSeq=atom.residue.resSeq)
        out.add_atom(atom.name, atom.element, residue)
    return out
