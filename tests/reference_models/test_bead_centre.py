"""Bead centre: analytic cases on small graphs, and its laws."""

import mdtraj
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from backmapbench.coarse_graining import CoarseMapping, centre_of_geometry
from backmapbench.datasets.trajectories import Trajectories
from backmapbench.errors import SubmissionError
from backmapbench.reference_models.bead_centre.model import BeadCentre, bead_of_atom
from backmapbench.submissions.protocol import Backmapper, System, TrainableBackmapper


def graph(atoms, bonds):
    topology = mdtraj.Topology()
    residue = topology.add_residue("UNK", topology.add_chain())
    nodes = [topology.add_atom(f"A{i}", mdtraj.element.carbon, residue) for i in range(atoms)]
    for first, second in bonds:
        topology.add_bond(nodes[first], nodes[second])
    return topology


def chain(atoms):
    return graph(atoms, [(i, i + 1) for i in range(atoms - 1)])


def mapping(rows):
    matrix = np.array(rows, dtype=float)
    return CoarseMapping(sparse.csr_array(matrix), tuple(f"B{i}" for i in range(len(matrix))))


def test_alanine_dipeptide_by_hand(system):
    names = [atom.name for atom in system.topology.atoms]
    owner = dict(zip(range(22), bead_of_atom(system.topology, system.mapping), strict=True))
    # Beads: 0 C(ACE), 1 N, 2 CA, 3 CB, 4 C, 5 N(NME).
    assert [owner[i] for i in range(22)] == [0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 5, 5, 5, 5]
    assert names[5] == "O"
    assert names[18] == "C"


def test_tie_goes_to_the_lower_bead():
    # Atom 2 lies two bonds from the beads' atoms 0 and 4; the bead numbers, not the atom numbers, decide.
    rows = np.zeros((2, 5))
    rows[0, 4] = rows[1, 0] = 1
    assert bead_of_atom(chain(5), mapping(rows)).tolist() == [1, 1, 0, 0, 0]


def test_tie_far_from_both_beads_in_a_ring():
    ring = graph(6, [(i, (i + 1) % 6) for i in range(6)])
    rows = np.zeros((2, 6))
    rows[0, 1] = rows[1, 3] = 1
    # Atom 2 is next to both; atom 5 is two bonds from both; 0 is nearest to bead 0 and 4 to bead 1.
    assert bead_of_atom(ring, mapping(rows)).tolist() == [0, 0, 0, 1, 1, 0]


def test_largest_weight_wins_and_ties_go_to_the_lower_bead():
    rows = [[0.5, 0.5, 0.0, 0.0], [0.2, 0.5, 0.3, 0.0]]
    assert bead_of_atom(chain(4), mapping(rows)).tolist() == [0, 0, 1, 1]
    assert bead_of_atom(chain(4), mapping(rows[::-1])).tolist() == [1, 0, 0, 0]


def test_centre_of_geometry_beads(start):
    atoms = [atom.name for atom in start.topology.residue(1).atoms]
    groups = [["ACE1:CH3", "ACE1:C", "ACE1:O"], [f"ALA2:{name}" for name in atoms], ["NME3:N", "NME3:C"]]
    cg = centre_of_geometry(start.topology, groups, ["ACE", "ALA", "NME"])
    model_system = System(start.topology, cg, 300.0)
    beads = Trajectories(cg.positions(start.xyz), (1,), None)
    placed = BeadCentre().backmap(model_system, beads, 1, 0)
    expected = np.repeat(beads.positions[0], [6, 10, 6], axis=0)
    np.testing.assert_array_equal(placed[0, 0], expected)


@given(st.integers(2, 12), st.data())
@settings(max_examples=30, deadline=None)
def test_every_atom_sits_on_a_bead_at_least_bond_distance(atoms, data):
    """Against all shortest paths of the graph."""
    bonds = [(data.draw(st.integers(0, child - 1)), child) for child in range(1, atoms)]
    chosen = data.draw(st.lists(st.integers(0, atoms - 1), min_size=1, max_size=atoms, unique=True))
    rows = np.zeros((len(chosen), atoms))
    rows[np.arange(len(chosen)), chosen] = 1
    steps = sparse.csgraph.shortest_path(graph_matrix(atoms, bonds), directed=False, unweighted=True)
    # argmin takes the first of equals: the lower bead index.
    expected = steps[chosen].argmin(axis=0)
    np.testing.assert_array_equal(bead_of_atom(graph(atoms, bonds), mapping(rows)), expected)


def graph_matrix(atoms, bonds):
    rows, columns = zip(*bonds, strict=True)
    return sparse.csr_array((np.ones(len(bonds)), (rows, columns)), shape=(atoms, atoms))


def test_protocol_shape_and_samples(system, held_out):
    model = BeadCentre()
    assert isinstance(model, Backmapper)
    assert not isinstance(model, TrainableBackmapper)
    placed = model.backmap(system, held_out, 3, 0)
    assert placed.shape == (3, 50, 22, 3)
    assert placed.dtype == np.float32
    assert (placed == model.backmap(system, held_out, 1, 7)).all()
    np.testing.assert_array_equal(placed[0][:, system.mapping.slice_atoms], held_out.positions)


def test_bad_input_is_refused(system, held_out):
    fewer = held_out.replace_positions(held_out.positions[:, :5])
    with pytest.raises(SubmissionError, match="given 5 beads"):
        BeadCentre().backmap(system, fewer, 1, 0)
    with pytest.raises(SubmissionError, match="no bonds lead"):
        bead_of_atom(graph(3, [(0, 1)]), mapping([[1.0, 0.0, 0.0]]))
    with pytest.raises(SubmissionError, match="4 atoms, the mapping 3"):
        bead_of_atom(chain(4), mapping([[1.0, 0.0, 0.0]]))
